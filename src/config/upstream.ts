import { type Address, checkSocketPath, formatAddress, parseHost, parsePort } from './address.js';
import { InvalidValue } from './problem.js';
import { Secret } from './secret.js';

/** The database server and the account of the proxy's first user on it. */
export interface UpstreamTarget {
  readonly user: string;
  readonly password: Secret;
  readonly address: Address;
  /** Null for none. It says nothing about clients: one that names no schema (database) at its login gets none. */
  readonly schema: string | null;
  /** What stands about TLS behind the `?`, under the names of the configuration's keys; those that are not there are absent. */
  readonly tls?: UpstreamTls;
}

/** As a URL says it that need not name an account. */
export type ServerUrl = Omit<UpstreamTarget, 'user'> & { readonly user: string | null };

/** Paths start at the working directory. */
export interface UpstreamTls {
  readonly serverTlsMode?: ServerTlsMode;
  readonly serverTlsCa?: string;
  readonly serverTlsCert?: string;
  readonly serverTlsKey?: string;
}

export type ServerTlsMode = 'disable' | 'prefer' | 'require' | 'verify_ca' | 'verify_full';

/** `--ssl-mode` of MySQL's clients. */
const SSL_MODES: Readonly<Record<string, ServerTlsMode>> = {
  disabled: 'disable',
  preferred: 'prefer',
  required: 'require',
  verify_ca: 'verify_ca',
  verify_identity: 'verify_full',
};

/** Options of MySQL's clients that name files, and the keys that mean the same. */
const SSL_FILES = {
  'ssl-ca': 'serverTlsCa',
  'ssl-cert': 'serverTlsCert',
  'ssl-key': 'serverTlsKey',
} as const;

const DEFAULT_PORT = 3306;

/** Drivers put their own name into the scheme (`mysql2://`, `mysql+pymysql://`): the same server is meant. */
const SCHEME = /^([a-z][a-z0-9+.-]*):\/\//i;
const KNOWN_SCHEME = /^(mysql2?|mariadb)(\+[a-z0-9_]+)?$/i;
const FORM = 'mysql://USER:PASSWORD@HOST:PORT/SCHEMA';
const ENCODE_HINT =
  'characters such as @ : / ? # % in a user or password must be percent-encoded (@ is %40, / is %2F, # is %23)';

/**
 * Decodes one component. What it holds may be a password, so the message names the part and never the text.
 */
function decode(text: string, part: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(text);
  } catch {
    throw new InvalidValue(
      `has a % in the ${part} that is not followed by the hexadecimal digits of a UTF-8 character; write %25 for %`,
    );
  }
  if (decoded.includes('\0')) throw new InvalidValue(`has a NUL byte in the ${part}`);
  return decoded;
}

function checkScheme(text: string): string {
  const scheme = SCHEME.exec(text)?.[1];
  if (scheme === undefined) throw new InvalidValue(`is not a URL of the form ${FORM}`);
  if (!KNOWN_SCHEME.test(scheme)) {
    throw new InvalidValue(
      `is a ${scheme.toLowerCase()}:// URL; only mysql:// and mariadb:// servers can be served`,
    );
  }
  return text.slice(scheme.length + '://'.length);
}

interface Parts {
  readonly userinfo: string;
  /** HOST, HOST:PORT or nothing; null when the path of a unix socket stands in its place. */
  readonly host: string | null;
  readonly socket: string | null;
  readonly path: string;
  readonly query: string;
}

/**
 * Splits what follows the scheme. The runtime's own URL class is of no use: it cannot read `unix(/path)`, and where a password
 * holds a raw `/` or `#` it takes a piece of the password for host or port and would show it in the message.
 */
function split(rest: string): Parts {
  const form = /^(?:(.*)@)?unix\(([^)]*)\)([^@]*)$/s.exec(rest);
  const end = /[/?#]/.exec(rest)?.index ?? rest.length;
  const authority = rest.slice(0, end);
  const tail = form === null ? rest.slice(end) : (form[3] ?? '');
  const at = authority.lastIndexOf('@');
  if (tail.includes('@') || tail.includes('#'))
    throw new InvalidValue(`has an @ or # behind the host; ${ENCODE_HINT}`);
  const mark = tail.indexOf('?');
  const path = mark < 0 ? tail : tail.slice(0, mark);
  const query = mark < 0 ? '' : tail.slice(mark + 1);
  if (path !== '' && !path.startsWith('/'))
    throw new InvalidValue('has something between the socket and the /SCHEMA');
  if (form !== null) return { userinfo: form[1] ?? '', host: null, socket: form[2] ?? '', path, query };
  return {
    userinfo: authority.slice(0, Math.max(0, at)),
    host: authority.slice(at + 1),
    socket: null,
    path,
    query,
  };
}

interface Query {
  readonly socket: string | null;
  readonly tls: UpstreamTls;
}

const isSslFile = (name: string): name is keyof typeof SSL_FILES => Object.hasOwn(SSL_FILES, name);

/** What has no meaning here must not be ignored in silence. `_` may stand for `-`, as in the servers' own option files. */
function readQuery(query: string): Query {
  const given = new Map<string, string>();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const written = decode(equals < 0 ? pair : pair.slice(0, equals), 'query');
    const name = written.toLowerCase().replaceAll('_', '-');
    if (name !== 'socket' && name !== 'ssl-mode' && !isSslFile(name)) {
      const shown = /^[a-z_-]{1,40}$/i.test(written) ? `"${written}"` : 'a name';
      throw new InvalidValue(
        `has ${shown} behind the ?; the only parameters are socket=/PATH, ssl-mode=MODE, ssl-ca=FILE, ssl-cert=FILE and ssl-key=FILE`,
      );
    }
    if (given.has(name)) throw new InvalidValue(`has two ${name} parameters`);
    given.set(
      name,
      decode(equals < 0 ? '' : pair.slice(equals + 1), name === 'socket' ? 'socket path' : name),
    );
  }
  return { socket: given.get('socket') ?? null, tls: tlsOf(given) };
}

/** As with MySQL's clients, a CA that is named without a mode is to be used. */
function tlsOf(given: ReadonlyMap<string, string>): UpstreamTls {
  const tls: { -readonly [K in keyof UpstreamTls]: UpstreamTls[K] } = {};
  for (const [name, key] of Object.entries(SSL_FILES)) {
    const path = given.get(name);
    if (path === '') throw new InvalidValue(`has ${name} without a file`);
    if (path !== undefined) tls[key] = path;
  }
  const written = given.get('ssl-mode');
  if (written === undefined)
    return tls.serverTlsCa === undefined ? tls : { ...tls, serverTlsMode: 'verify_ca' };
  const mode = SSL_MODES[written.toLowerCase().replaceAll('-', '_')];
  if (mode === undefined) {
    const words = Object.keys(SSL_MODES).map((word) => word.toUpperCase());
    throw new InvalidValue(`has an ssl-mode that is none of ${words.join(', ')}`);
  }
  return { ...tls, serverTlsMode: mode };
}

function tcpAddress(hostAndPort: string): Address {
  const [, hostText = '', portText] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(hostAndPort) ?? [];
  const host = parseHost(hostText);
  if (hostText === '') throw new InvalidValue(`names no host; write ${FORM}`);
  if (host === null)
    throw new InvalidValue(`has no valid host; write ${FORM} (an IPv6 address in brackets); ${ENCODE_HINT}`);
  if (portText === undefined) return { kind: 'tcp', host, port: DEFAULT_PORT };
  const port = parsePort(portText, 1);
  if (port === null)
    throw new InvalidValue(`has a port that is not a number from 1 to 65535; ${ENCODE_HINT}`);
  return { kind: 'tcp', host, port };
}

function addressOf(parts: Parts, parameter: string | null): Address {
  if (parts.socket !== null && parameter !== null) throw new InvalidValue('names two unix sockets');
  if (parts.host === null)
    return { kind: 'unix', path: checkSocketPath(decode(parts.socket ?? '', 'socket path')) };
  if (parameter === null) return tcpAddress(parts.host);
  if (parts.host !== '' && parts.host !== 'localhost') {
    throw new InvalidValue('names both a unix socket and a host; leave the host empty or write localhost');
  }
  return { kind: 'unix', path: checkSocketPath(parameter) };
}

/**
 * Reads `mysql://USER:PASSWORD@HOST:PORT/SCHEMA`, or with a unix socket `mysql://USER:PASSWORD@localhost/SCHEMA?socket=/PATH`
 * and `mysql://USER:PASSWORD@unix(/PATH)/SCHEMA`; with `ssl-mode` and the like behind the `?`. All parts are percent-decoded.
 * @throws InvalidValue, whose message quotes no part of the URL but its scheme and parameter names
 */
export function parseUpstream(text: string): UpstreamTarget {
  const parts = split(checkScheme(text.trim()));
  const user = userOf(parts);
  if (user === null) throw new InvalidValue(`names no user; write ${FORM}`);
  return { ...urlOf(parts), user };
}

/** As {@link parseUpstream}, of a URL that may leave out the account. @throws InvalidValue, likewise */
export function parseServerUrl(text: string): ServerUrl {
  const parts = split(checkScheme(text.trim()));
  return { ...urlOf(parts), user: userOf(parts) };
}

function userOf({ userinfo }: Parts): string | null {
  const colon = userinfo.indexOf(':');
  const user = decode(colon < 0 ? userinfo : userinfo.slice(0, colon), 'user');
  return user === '' ? null : user;
}

function urlOf(parts: Parts): Omit<ServerUrl, 'user'> {
  const colon = parts.userinfo.indexOf(':');
  const password = decode(colon < 0 ? '' : parts.userinfo.slice(colon + 1), 'password');
  const { socket, tls } = readQuery(parts.query);
  const address = addressOf(parts, socket);
  const schema = decode(parts.path.slice(1), 'schema');
  if (schema.includes('/'))
    throw new InvalidValue('has more than one / behind the host; write %2F for a / in the name of a schema');
  return {
    password: new Secret(password),
    address,
    schema: schema === '' ? null : schema,
    ...(Object.keys(tls).length > 0 ? { tls } : {}),
  };
}

/** The URL that `parseUpstream` reads back, with the password in clear; TLS aside, which is between the proxy and the server. */
export function formatUrl({ user, password, address, schema }: UpstreamTarget): string {
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password.reveal())}`;
  const host = address.kind === 'tcp' ? formatAddress(address) : 'localhost';
  const query =
    address.kind === 'unix' ? `?socket=${encodeURIComponent(address.path).replaceAll('%2F', '/')}` : '';
  return `mysql://${login}@${host}/${encodeURIComponent(schema ?? '')}${query}`;
}
