import type { Logger } from 'pino';
import type { TcpAddress } from '../config/address.js';
import { addressName, MAX_SERVERS, type ServerEntry } from '../config/servers.js';
import { BouncerError } from '../errors.js';
import type { Server } from '../relay/server.js';
import type { Servers } from '../relay/servers.js';
import { NameAddresses, type Resolve } from '../servers/name-addresses.js';
import { newServer, type SharedParts } from './new-server.js';

/** A name that stands for servers has no address that is known. */
class NameUnknownError extends BouncerError {
  readonly code = 'NAME_UNKNOWN';
}

/** An entry with `addresses: all`. */
interface NamedEntry {
  readonly entry: ServerEntry;
  readonly position: number;
  readonly address: TcpAddress;
  readonly name: NameAddresses;
}

/** The servers behind names: one for each address that a name has now, as the configuration says it (`addresses: all`). */
export class NamedServers {
  readonly #servers: Servers;
  readonly #parts: SharedParts;
  readonly #log: Logger;
  readonly #entries: readonly NamedEntry[];
  /** By the entry's name: it could not be resolved. */
  readonly #troubles = new Map<string, Error>();

  constructor(servers: Servers, parts: SharedParts, resolve?: Resolve) {
    this.#servers = servers;
    this.#parts = parts;
    this.#log = parts.log;
    this.#entries = parts.config.servers.flatMap((entry, position): NamedEntry[] => {
      const { address } = entry;
      if (entry.addresses !== 'all' || address.kind !== 'tcp') return [];
      const name = new NameAddresses({
        name: address.host,
        ...(resolve === undefined ? {} : { resolve }),
        changed: () => this.#changed(named),
        failed: (error) => this.#failed(named, error),
        after,
      });
      const named = { entry, position, address, name };
      return [named];
    });
  }

  /** Why a name has no address yet; null where all have. */
  get trouble(): Error | null {
    for (const { entry, name } of this.#entries)
      if (name.addresses.length === 0) return this.#troubles.get(entry.name) ?? null;
    return null;
  }

  start(): void {
    this.#servers.follow({
      gone: ({ name }) =>
        this.#log.info({ server: name }, 'server is left: its name has that address no more'),
    });
    for (const { name } of this.#entries) void name.refresh();
  }

  stop(): void {
    for (const { name } of this.#entries) name.stop();
  }

  /** Something is wrong with a server: its name may have another address by now. */
  askAgain(server: Server): void {
    for (const { entry, name } of this.#entries) if (entry.name === server.entry) void name.refresh();
  }

  #failed({ entry, address }: NamedEntry, cause: unknown): void {
    const error = cause instanceof Error ? cause.message : String(cause);
    this.#troubles.set(
      entry.name,
      new NameUnknownError(`${address.host} cannot be resolved: ${error}`, { cause }),
    );
    this.#log.warn(
      { name: address.host, error },
      'a name of servers cannot be resolved: the addresses that are known stay',
    );
  }

  #changed(named: NamedEntry): void {
    const { entry, address, name } = named;
    const own = this.#servers.all.filter((server) => server.entry === entry.name);
    const others = this.#servers.inUse.length - own.filter(({ isLeaving }) => !isLeaving).length;
    const room = Math.max(0, MAX_SERVERS - others);
    const wanted = name.addresses.slice(0, room).map((host) => {
      const at = { ...address, host, name: address.host };
      return { at, server: addressName(entry.name, address, at) };
    });
    const isWanted = ({ name: called }: Server): boolean => wanted.some(({ server }) => server === called);
    const isThere = (called: string): boolean => own.some((server) => server.name === called);
    const coming = wanted.filter(({ server }) => !isThere(server));
    const leaving = own.filter((server) => !isWanted(server));
    this.#log.info(
      {
        name: address.host,
        addresses: wanted.map(({ at }) => at.host),
        // What is in use of it until now; one that is still being left is taken up again.
        added: wanted
          .map(({ server }) => server)
          .filter((called) => !own.some((one) => one.name === called && !one.isLeaving)),
        removed: leaving.filter(({ isLeaving }) => !isLeaving).map(({ name: called }) => called),
      },
      'addresses of a name of servers',
    );
    if (wanted.length < name.addresses.length)
      this.#log.warn(
        { name: address.host, addresses: name.addresses.length, used: wanted.length, most: MAX_SERVERS },
        'a name has more addresses than there may be servers: the last are left out',
      );
    for (const server of own) if (isWanted(server)) this.#servers.keep(server);
    // First, so that whoever has to leave one finds others.
    for (const { at, server } of coming)
      this.#servers.add([this.#newServer(named, server, at, own.length > 0)]);
    for (const server of leaving) this.#servers.leave(server);
  }

  #newServer({ entry, position }: NamedEntry, name: string, address: TcpAddress, isLate: boolean): Server {
    const place = {
      entry,
      at: { name, address },
      index: this.#servers.freeIndex,
      position,
      startsSlowly: isLate,
    };
    return newServer(place, this.#parts);
  }
}

function after(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  timer.unref();
  return () => clearTimeout(timer);
}
