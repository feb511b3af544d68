import { isIP } from 'node:net';
import * as z from 'zod';
import { type Address, formatAddress, type TcpAddress } from './address.js';
import { parseServerUrl, type ServerUrl, type UpstreamTarget } from './upstream.js';
import { notEmpty, oneOf, parsed, wholeNumber } from './value-schemas.js';

/** What a server is: `auto` asks it. */
export type ConfiguredRole = 'auto' | 'primary' | 'replica';

/** One of several servers. */
export interface ServerEntry {
  /** As logs, metrics and commands call it: no two have the same. */
  readonly name: string;
  readonly address: Address;
  readonly role: ConfiguredRole;
  /** `all`: each address of the host is a server of its own, and which there are is asked again and again. */
  readonly addresses: 'one' | 'all';
  /** Null where it is not given: it counts as 1. */
  readonly weight: number | null;
}

/** The servers, and what the first one's URL says about the account, the schema and TLS of all. */
export interface ConfiguredServers {
  readonly entries: readonly ServerEntry[];
  /** Null where there are no entries. */
  readonly upstream: UpstreamTarget | null;
}

export const MAX_SERVERS = 64;

const entrySchema = z.strictObject(
  {
    url: parsed(parseServerUrl).describe(
      'Of the first server `mysql://USER:PASSWORD@HOST:PORT/SCHEMA`, as `upstream` has it: account, schema and what stands behind a `?` are those of all. Of the others `mysql://HOST:PORT`.',
    ),
    name: parsed(notEmpty)
      .optional()
      .describe('How logs, metrics and commands call it: `HOST:PORT` unless given.'),
    addresses: oneOf(['one', 'all'])
      .prefault('one')
      .describe(
        '`one`: the entry is one server, at whichever address of HOST answers. `all`: HOST is a DNS name, each address of which is a server by itself, called `NAME/ADDRESS:PORT` (NAME: the `name` of the entry, or HOST). The name is resolved again when its TTL is over (after 1 s at least, 60 s at most, 5 s where it has none) and when a server goes down: an address that appears takes part, one that has gone gets nothing new and is left when its last session has been given back, and a name that cannot be resolved keeps the addresses that it had. One such entry alone is several servers. Each of several `workers` resolves it by itself. The certificate of each must be for HOST where that is looked at.',
      ),
    role: oneOf(['auto', 'primary', 'replica'])
      .prefault('auto')
      .describe(
        '`auto`: it is asked what it is. `primary`: takes writes, whatever it says. `replica`: is never sent writes. A server that says that it is of no use (a Galera node that is not ready, a member outside of its group) gets nothing with any role.',
      ),
    weight: wholeNumber(1, 1000)
      .optional()
      .describe(
        'Its share of what is balanced among several, beside the weights of the others; 1 unless given.',
      ),
  },
  {
    error: (issue) =>
      issue.code === 'invalid_type' ? 'must be a map with a url, or on the command line a URL' : undefined,
  },
);

export const SERVER_ENTRY_KEYS = Object.keys(entrySchema.shape);

/** The schema of one entry of `servers:`, where its descriptions are. */
export const serverEntrySchema = entrySchema;

const NONE: ConfiguredServers = { entries: [], upstream: null };

/** `servers:`; a URL alone, as a flag or the environment has it, is an entry with nothing else. */
export function servers() {
  const entry = z.preprocess((value) => (typeof value === 'string' ? { url: value } : value), entrySchema);
  const list = z
    .array(entry, { error: () => 'must be a list of servers, each with a url' })
    .max(MAX_SERVERS, `has more than ${MAX_SERVERS} servers`);
  return list
    .nullable()
    .transform((given, context): ConfiguredServers => {
      if (given === null || given.length === 0) return NONE;
      const names = new Set<string>();
      const addresses = new Set<string>();
      const entries: ServerEntry[] = [];
      let upstream: UpstreamTarget | null = null;
      for (const [index, { url, name, role, addresses: which, weight = null }] of given.entries()) {
        const address = formatAddress(url.address);
        const complain = (key: string, message: string): void =>
          context.addIssue({ code: 'custom', message, path: [index, key] });
        if (index === 0) {
          if (url.user === null)
            complain(
              'url',
              'names no user; write mysql://USER:PASSWORD@HOST:PORT/SCHEMA for the first server',
            );
          else upstream = { ...url, user: url.user };
        } else if (saysMore(url)) {
          complain(
            'url',
            "says more than HOST:PORT; account, schema and TLS are those of the first server's URL",
          );
        }
        if (which === 'all' && !isName(url.address))
          complain('addresses', 'is all, which takes a DNS name in the url, and no address');
        if (addresses.has(address)) complain('url', `leads to the same address as another one: ${address}`);
        else if (names.has(name ?? address)) complain('name', 'is the same name as that of another one');
        addresses.add(address);
        names.add(name ?? address);
        entries.push({ name: name ?? address, address: url.address, role, addresses: which, weight });
      }
      return { entries, upstream };
    })
    .prefault([]);
}

/** What one of the addresses of an entry's host is called, which stands for all of them. */
export function addressName(name: string, host: TcpAddress, at: TcpAddress): string {
  return `${name === formatAddress(host) ? host.host : name}/${formatAddress(at)}`;
}

function isName(address: Address): boolean {
  return address.kind === 'tcp' && isIP(address.host) === 0;
}

/** Whether there may be more than one server: else it is not asked what it is. */
export function areSeveral(entries: readonly ServerEntry[]): boolean {
  return entries.length > 1 || entries.some(({ addresses }) => addresses === 'all');
}

function saysMore({ user, schema, tls }: ServerUrl): boolean {
  return user !== null || schema !== null || tls !== undefined;
}

/** What `servers` demands of other keys; to be told at the key that is named. */
export function* serversMistakes(values: {
  readonly servers: ConfiguredServers;
  readonly upstream: UpstreamTarget | null;
}): Generator<{ readonly key: 'servers'; readonly message: string }> {
  const { entries } = values.servers;
  if (entries.length === 0) return;
  if (values.upstream !== null)
    yield {
      key: 'servers',
      message: 'and upstream are one too many: upstream is one server, servers are several',
    };
}
