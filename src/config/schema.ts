import * as z from 'zod';
import { parseTcpAddress, type TcpAddress } from './address.js';
import { parseGroup, parseMode, parseOwner } from './socket-access.js';
import { onUnsafe, UNSAFE_KINDS } from './unsafe-holds.js';
import { parseUpstream, type UpstreamTarget } from './upstream.js';
import { userSchema } from './user-schema.js';
import {
  duration,
  listenAddresses,
  names,
  notEmpty,
  octal,
  oneOf,
  parsed,
  portion,
  share,
  size,
  timeLimit,
  wholeNumber,
  wholeNumberOr,
} from './value-schemas.js';

/*
 * The one table of configuration keys. Types, defaults, validation, flags, environment variables, --help, the JSON schema and
 * the reference page all come from here. Every schema takes text, since flags, environment and file all deliver text (the file
 * is read without YAML's own guessing of types, so that `password: 0123` is four characters).
 */

export const GROUPS = {
  server: 'The server',
  clients: 'Clients',
  pool: 'The pool',
  process: 'The process',
} as const;

export type Group = keyof typeof GROUPS;

export interface KeyInfo {
  readonly group: Group;
  /** What stands for the value in `--help`: `--pool-size N`. */
  readonly placeholder: string;
  /** The default as text, as it would be written; null for none. */
  readonly defaultText: string | null;
  /** One line for `--help`, without a full stop. */
  readonly summary: string;
  /** More for the reference page; may be empty. Markdown. */
  readonly detail: string;
  /** What to show in the example file in place of the default. */
  readonly example?: string;
  /** May be given more than once: repeated as a flag, separated by commas in the environment, a list in the file. */
  readonly list?: true;
  /** Only in the file: neither flag nor environment variable. */
  readonly fileOnly?: true;
  /** Environment variables besides MYBOUNCER_*; those come second. */
  readonly alsoEnv?: readonly string[];
  /** A file: a relative path in the configuration file starts at its directory. */
  readonly isPath?: true;
  /** Whether a running process can take a new value. */
  readonly reloadable: boolean;
}

/** A key with a default: the text of the table goes through the same schema as any other value. */
function key<T>(schema: z.ZodType<T, unknown>, info: KeyInfo & { readonly defaultText: string }) {
  return { ...info, schema: schema.prefault(info.defaultText) };
}

/** A key whose schema itself says what its absence means. */
function keyWithoutDefault<T>(schema: z.ZodType<T, unknown>, info: KeyInfo & { readonly defaultText: null }) {
  return { ...info, schema };
}

/** The path of a file that may be left out; an empty one is none. */
const path = () => parsed<string | null>((value) => (value === '' ? null : notEmpty(value))).default(null);

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
const MIB = 1024 ** 2;

/** Every key, in the order of the reference page. */
export const KEYS = {
  upstream: keyWithoutDefault(parsed<UpstreamTarget | null>(parseUpstream).default(null), {
    group: 'server',
    placeholder: 'URL',
    defaultText: null,
    example: 'mysql://app:secret@127.0.0.1:3306/shop',
    alsoEnv: ['DATABASE_URL'],
    summary:
      'server to serve, with the account that is also the first user: mysql://USER:PASSWORD@HOST:PORT/SCHEMA',
    detail:
      'The port is 3306 unless given, and the schema may be left out. A unix socket is written as `mysql://USER:PASSWORD@localhost/SCHEMA?socket=/PATH` or `mysql://USER:PASSWORD@unix(/PATH)/SCHEMA`. Characters such as `@ : / ? # %` in user or password are percent-encoded (`@` is `%40`). `mariadb://` means the same as `mysql://`, and a driver in the scheme (`mysql2://`, `mysql+pymysql://`) is skipped. Behind a `?` may stand `ssl-mode`, `ssl-ca`, `ssl-cert` and `ssl-key`, as with the `mysql` client: see `server_tls_mode`. User and password log clients in to the proxy, too; the schema is for connection strings that are shown, and a client that names none has none, as on the server. Without an upstream a sandbox is started: a private throwaway server.',
    reloadable: false,
  }),
  upstream_password_file: key(
    parsed<string | null>((path) => (path === 'off' ? null : notEmpty(path))),
    {
      group: 'server',
      placeholder: 'FILE',
      defaultText: 'off',
      summary:
        'file with the password of the upstream URL, which then has none (mysql://USER@HOST:PORT/SCHEMA), or off',
      detail:
        'Its first line, such as in a Docker or Kubernetes secret. A change is taken in within seconds, for new connections of clients and to the server; a file that cannot be read or is empty changes nothing, and one log line says so. Where the server still refuses the new password, the one before is tried.',
      reloadable: false,
    },
  ),
  server_connect_timeout: key(duration(1), {
    group: 'server',
    placeholder: 'DURATION',
    defaultText: '5s',
    summary: 'time for opening a server session, login included',
    detail:
      'An attempt that takes longer is given up and made again (`server_login_retry`); clients that wait for it in vain until `query_wait_timeout` get error 1429 (HY000), which names address and time.',
    reloadable: true,
  }),
  server_login_retry: key(duration(10), {
    group: 'server',
    placeholder: 'DURATION',
    defaultText: '1s',
    summary: 'pause after a server session could not be opened, before the next attempt',
    detail:
      'Longest pause: the first is 50ms, and each is twice the one before. While nothing listens at the address it is at most 100ms, since such an attempt costs the server nothing. Meanwhile waiting clients go on waiting, up to `query_wait_timeout`. At least 10ms.',
    reloadable: true,
  }),
  server_tls_mode: key(oneOf(['disable', 'prefer', 'require', 'verify_ca', 'verify_full']), {
    group: 'server',
    placeholder: 'MODE',
    defaultText: 'prefer',
    summary: 'TLS to the server: disable, prefer, require, verify_ca or verify_full',
    detail:
      "`prefer`: where the server offers it over a network. Within the machine (a unix socket, `localhost`, 127.0.0.1, ::1), where nobody can listen and TLS doubles what a short query costs, only for accounts that the server does not let in without; where such an address leads to a forwarder that goes on to another host in clear, set `require`. `require`: the server must offer it. With neither is its certificate looked at, so that somebody who can change what is sent on the way can pass for the server, and with `prefer` take the TLS away. `verify_ca`: its certificate must be signed by a CA of `server_tls_ca`. `verify_full`: that, and be for the host that `upstream` names (an IP address must be in it as such). A server that is refused for this is tried again after up to 15s, and clients are told why at once. The proxy keeps the server's last session ticket, so that further handshakes are short ones. `?ssl-mode=REQUIRED` and the other words of MySQL's clients behind the `upstream` URL mean the same.",
    reloadable: false,
  }),
  server_tls_ca: keyWithoutDefault(path(), {
    group: 'server',
    placeholder: 'FILE',
    defaultText: null,
    example: '""',
    isPath: true,
    summary: "CAs that may sign the server's certificate, as PEM; the system's unless given",
    detail:
      "For `server_tls_mode` `verify_ca` and `verify_full`. A managed database's provider has such a file to download. A relative path in the configuration file starts at its directory; so it is for the other files. All of them are read again when a session is opened after they have changed; while what is there cannot be used (half of a renewal may be done), what was read before still counts.",
    reloadable: true,
  }),
  server_tls_cert: keyWithoutDefault(path(), {
    group: 'server',
    placeholder: 'FILE',
    defaultText: null,
    example: '""',
    isPath: true,
    summary: 'client certificate for the server, as PEM, with the certificates that sign it',
    detail: 'For accounts with REQUIRE X509, ISSUER or SUBJECT. It needs `server_tls_key`.',
    reloadable: true,
  }),
  server_tls_key: keyWithoutDefault(path(), {
    group: 'server',
    placeholder: 'FILE',
    defaultText: null,
    example: '""',
    isPath: true,
    summary: 'private key of `server_tls_cert`, as PEM without a passphrase',
    detail: '',
    reloadable: true,
  }),
  server_tls_min_version: key(oneOf(['TLSv1.2', 'TLSv1.3']), {
    group: 'server',
    placeholder: 'VERSION',
    defaultText: 'TLSv1.2',
    summary: 'oldest version of TLS to use with the server: TLSv1.2 or TLSv1.3',
    detail: '',
    reloadable: false,
  }),
  listen: key(listenAddresses(), {
    group: 'clients',
    placeholder: 'ADDRESS',
    defaultText: '127.0.0.1:6033',
    list: true,
    summary: 'where clients connect: HOST:PORT, [IPv6]:PORT or unix:PATH',
    detail:
      'Several addresses: repeat the flag, write a list in the file, separate them by commas in the variable. Port 0 takes any free port.',
    reloadable: false,
  }),
  unix_socket_mode: key(octal(parseMode), {
    group: 'clients',
    placeholder: 'MODE',
    defaultText: '0777',
    summary: 'permissions of the unix sockets listened on, in octal: 0777 or 0660',
    detail:
      'Whoever may write to a socket may try to log in; the directory it is in counts as well. The default is that of MySQL and MariaDB themselves. The socket has these permissions from its first moment.',
    reloadable: false,
  }),
  unix_socket_owner: keyWithoutDefault(
    parsed((value) => parseOwner(value))
      .nullable()
      .default(null),
    {
      group: 'clients',
      placeholder: 'USER',
      defaultText: null,
      summary: 'owner of the unix sockets listened on: a name of /etc/passwd, or a number',
      detail:
        'Without it, the user that the process runs as. Only root may name another one. Nobody can connect before the socket has its owner, group and mode.',
      reloadable: false,
    },
  ),
  unix_socket_group: keyWithoutDefault(
    parsed((value) => parseGroup(value))
      .nullable()
      .default(null),
    {
      group: 'clients',
      placeholder: 'GROUP',
      defaultText: null,
      summary: 'group of the unix sockets listened on: a name of /etc/group, or a number',
      detail:
        'Without it, that of the process. An ordinary user may name any group that it is in itself. With `unix_socket_mode: 0660`, only members of the group can connect.',
      reloadable: false,
    },
  ),
  max_client_conn: key(wholeNumber(1, 1_000_000), {
    group: 'clients',
    placeholder: 'N',
    defaultText: '10000',
    summary: 'client connections at most; more are refused',
    detail:
      'They get error 1040 (08004), as from a server that is full. Each client is an open file of the process: the limit of open files (`ulimit -n`, LimitNOFILE) must be higher than this by `pool_size` and 64, which is checked at start.',
    reloadable: true,
  }),
  client_login_timeout: key(duration(1), {
    group: 'clients',
    placeholder: 'DURATION',
    defaultText: '10s',
    summary: 'time a client has from connecting until it is logged in',
    detail: 'Then it gets error 1159 (08S01), and its connection is closed.',
    reloadable: true,
  }),
  tls_mode: key(oneOf(['disable', 'allow', 'require', 'verify']), {
    group: 'clients',
    placeholder: 'MODE',
    defaultText: 'allow',
    summary: 'TLS with clients: disable, allow, require or verify',
    detail:
      "`disable`: not offered. `allow`: offered, and used by every client that asks for it. `require`: a login over TCP without it gets MySQL's error 3159 (HY000), whoever it claims to be; unix sockets count as secure. `verify`: as `require`, and a client over TCP has to show a certificate that `tls_client_ca` vouches for, or its login is denied (1045); its password is asked for all the same.",
    reloadable: false,
  }),
  tls_cert: keyWithoutDefault(path(), {
    group: 'clients',
    placeholder: 'FILE',
    defaultText: null,
    example: '""',
    isPath: true,
    summary: 'certificate that clients are shown, in PEM form',
    detail:
      "The proxy's own first, then the intermediate ones, if any. Without it a self-signed certificate is made at each start, kept in memory: passwords and data are then encrypted, but only MariaDB's clients from 11.4 on can tell whose it is (by the password). Files are looked at once a second and read again when they have changed, also when they were replaced by renaming or through a symbolic link; connections that are open stay as they are, and where the new files do not fit, the old ones stay in use and one line in the log says why. A relative path in the configuration file starts at its directory.",
    reloadable: true,
  }),
  tls_key: keyWithoutDefault(path(), {
    group: 'clients',
    placeholder: 'FILE',
    defaultText: null,
    example: '""',
    isPath: true,
    summary: 'private key of tls_cert, in PEM form, without a passphrase',
    detail: 'May be in the same file.',
    reloadable: true,
  }),
  tls_client_ca: keyWithoutDefault(path(), {
    group: 'clients',
    placeholder: 'FILE',
    defaultText: null,
    example: '""',
    isPath: true,
    summary: 'certificates in PEM form of which one has to vouch for that of a client, with tls_mode verify',
    detail: 'Read again when it changes, as `tls_cert` is.',
    reloadable: true,
  }),
  tls_min_version: key(oneOf(['TLSv1.2', 'TLSv1.3']), {
    group: 'clients',
    placeholder: 'VERSION',
    defaultText: 'TLSv1.2',
    summary: 'oldest version of TLS that clients may use: TLSv1.2 or TLSv1.3',
    detail: '',
    reloadable: false,
  }),
  failed_login_limit: key(wholeNumber(0, 1_000_000), {
    group: 'clients',
    placeholder: 'N',
    defaultText: '10',
    summary: 'failed logins from one address before answers to further ones are delayed; 0 for never',
    detail:
      'By 250ms, and twice as long each time, up to 4s; until there has been none for a minute. Only refusals wait, never a login that is right: behind one address there may be all workers of a host, of which one has a wrong password. So loopback and unix sockets are no exception. IPv6 addresses count by their first 64 bits. A change of user (COM_CHANGE_USER) counts as a login.',
    reloadable: true,
  }),
  query_timeout: key(timeLimit(), {
    group: 'clients',
    placeholder: 'DURATION',
    defaultText: '0',
    summary: 'time a statement may take on the server before it is killed; 0 for any',
    detail:
      'The statement is ended with KILL QUERY and its client gets error 1317 (70100), which names this limit; a transaction stays open, as after any KILL QUERY, and the connection can be used on. A text with a COMMIT in it is never killed, DDL and the like only while they wait for a lock; what goes on after the KILL is killed again, and after 5s together with its session. Waiting for a session is not counted (`query_wait_timeout`), nor is the time in which the client sends a file or a long command. Off by default: the proxy cannot tell a runaway query from a report or a migration, and the statement of a worker that gives up or is killed is ended with it anyway (`on_client_disconnect`). Web workers are well served by their own request timeout; set it for their user (`users`) where they have none. Looked at once a second, as all these limits: it strikes up to a second late, never early.',
    reloadable: true,
  }),
  transaction_timeout: key(timeLimit(), {
    group: 'clients',
    placeholder: 'DURATION',
    defaultText: '0',
    summary: 'time a transaction may take before it is rolled back; 0 for any',
    detail:
      'From its first statement to its end, whatever happens in between. A statement at work is killed as by `query_timeout`; then, or where the client is idle at that moment, everything that ties it to its session is ended, and its next command gets error 1317 (70100), which names what is gone; ROLLBACK, for which there is nothing left to do, succeeds. Off by default, as `query_timeout` is.',
    reloadable: true,
  }),
  idle_transaction_timeout: key(timeLimit(), {
    group: 'clients',
    placeholder: 'DURATION',
    defaultText: '60s',
    summary:
      'time a client may send nothing while it has a transaction, table locks or XA open; then they are rolled back; 0 for any',
    detail:
      'Such a client keeps a server session and its locks from all others. What it holds is rolled back at once and the session serves others; the client keeps its connection, and its next command gets error 1317 (70100), which names this limit and what is gone; ROLLBACK succeeds. What merely ties a client to its session (temporary tables, user variables) is no reason by itself, nor is GET_LOCK, which is there to be held while nothing is sent. A client that stops in the midst of sending a file or a long command (or of a change of user) loses its connection after this time; one that takes nothing of a reply, after its `net_write_timeout`, as from the server.',
    reloadable: true,
  }),
  client_idle_timeout: key(timeLimit(), {
    group: 'clients',
    placeholder: 'DURATION',
    defaultText: '0',
    summary: 'time a client may send nothing before its connection is closed; 0 for any',
    detail:
      'With error 4031 where the server would say so (MySQL since 8.0.24), without a word where it would not (MariaDB). Off by default: an idle client costs no server session, and closing its connection is what makes app servers complain that the server has gone away. A `wait_timeout` that the client sets for itself counts as well.',
    reloadable: true,
  }),
  max_packet_size: key(size(1024, 1024 * MIB), {
    group: 'clients',
    placeholder: 'SIZE',
    defaultText: '1GiB',
    summary: 'largest command accepted from a client',
    detail: "From 1KiB to 1GiB. The server's own `max_allowed_packet` applies as well.",
    reloadable: true,
  }),
  fork_guard: key(oneOf(['auto', 'on', 'off']), {
    group: 'clients',
    placeholder: 'MODE',
    defaultText: 'auto',
    summary: 'look whether two processes have the same client connection open: auto, on or off',
    detail:
      'A process that forks with an open connection shares it with its child, and either may read what the other has asked for. On Linux the proxy can see that before it answers, for clients on the same host or in the same pod whose processes it may look at (of the same user, or as root): such a connection is closed with an error that names the processes, and each of them connects anew. `auto`: look where that is possible, and say once where it is not. `on`: the same, but do not start where nothing at all can be seen. `off`: only what shows in the connection itself is noticed, when rows may have gone astray already. It is never closed within a transaction, nor while the client holds a server session.',
    reloadable: false,
  }),
  auth: key(oneOf(['users', 'passthrough']), {
    group: 'clients',
    placeholder: 'WHO',
    defaultText: 'users',
    summary:
      "who may log in: users, those of the configuration, or passthrough, the server's own accounts as well",
    detail:
      "`users`: the upstream URL's user and those of `users`. `passthrough`: whoever is not among them logs in with an account of the server's. The client is asked for the password itself (caching_sha2_password: over TLS, a unix socket or loopback in clear, else encrypted with the proxy's RSA key), the proxy tries it on the server, and the client works on sessions of that account. What the server answers is what the client gets; a password that it has taken is remembered for `passthrough_expiry`, in memory only. The server sees the proxy's address in place of the client's: the host part of an account (`'app'@'10.1.%'`) says nothing here, and accounts must be allowed to log in from where the proxy is.",
    reloadable: false,
  }),
  passthrough_expiry: key(duration(1_000), {
    group: 'clients',
    placeholder: 'DURATION',
    defaultText: '5m',
    summary:
      'how long a password that the server has taken is taken again without asking it (auth: passthrough)',
    detail:
      'From the last time that the server took it, from a client or from the proxy itself when it opened a session. A password that was changed on the server works here for so long at most, and not for another login once the server has refused it to the proxy. As on the server itself, clients that are logged in stay so. At least 1s. The password is kept as long as clients of the user are connected, since sessions are opened with it, and is gone when they have left and this time is over.',
    reloadable: false,
  }),
  users: keyWithoutDefault(
    z
      .array(userSchema, { error: () => 'must be a list of users, each with a name and a password' })
      .nullable()
      .transform((entries) => entries ?? [])
      .prefault([]),
    {
      group: 'clients',
      placeholder: 'LIST',
      defaultText: null,
      fileOnly: true,
      summary: 'users besides that of the upstream URL',
      detail:
        "A list; each entry has a `name` and exactly one of `password`, `password_file` and `hash`; `query_timeout`, `transaction_timeout`, `idle_transaction_timeout` and `client_idle_timeout` take the place of the keys of the same name for this user, and `max_client_conn` limits its own client connections (error 1226). The upstream URL's own user is always there without being listed; an entry with its name takes its place.",
      reloadable: true,
    },
  ),
  admin_users: keyWithoutDefault(names(), {
    group: 'clients',
    placeholder: 'NAMES',
    defaultText: null,
    example: 'operator',
    list: true,
    summary:
      'users that may use the admin console: who logs in as one of them with database mybouncer gets it',
    detail:
      'Names of `users`, or of the upstream URL. The console answers SHOW POOLS, CLIENTS, SERVERS, HOLDS, WAITERS, STATS, USERS, CONFIG, PROFILES, FLEET and VERSION, and can close clients, replace the server sessions, change the log level and stop the proxy; HELP lists it all. For everybody else, and with an empty list, `mybouncer` is a schema like any other.',
    reloadable: true,
  }),
  pool_mode: key(oneOf(['transaction', 'session']), {
    group: 'pool',
    placeholder: 'MODE',
    defaultText: 'transaction',
    summary: 'how long a client keeps a server session: transaction or session',
    detail:
      '`transaction`: until its transaction is over and nothing else ties it to the session. `session`: until it disconnects.',
    reloadable: true,
  }),
  pool_size: key(wholeNumberOr('auto', 1, 100_000), {
    group: 'pool',
    placeholder: 'N',
    defaultText: '20',
    summary: 'server sessions at most, over all users: a number, or auto for what the server has',
    detail:
      "`auto`: what the server's `max_connections` leaves after `reserve` and the proxy's own connections, divided among the proxies that serve this server (see `fleet`). Where the proxy has one server account and that has a `max_user_connections` which is lower, this counts. Both are read again every minute. Where the result falls, idle sessions are closed at once and others when they come back; a session that a client holds is never cut. A number: keep it below the server's `max_connections`, with room for others and for two connections of the proxy's own per server user: one over which statements are killed, and at times one that reads what routines, triggers and views do. With either, a server that refuses a session for want of room (error 1040) lowers the limit to what there is, for a while.",
    reloadable: true,
  }),
  reserve: key(portion(100_000), {
    group: 'pool',
    placeholder: 'SHARE',
    defaultText: '10%',
    summary: "connections of the server's max_connections that pool_size auto leaves to others: 10% or 20",
    detail:
      'A share is at least 5 connections; a number is what it says, 0 included. Proxies that share a server leave it free together, once.',
    reloadable: true,
  }),
  fleet: key(oneOf(['auto', 'on', 'off']), {
    group: 'pool',
    placeholder: 'MODE',
    defaultText: 'auto',
    summary: "whether to share the server's connections with other proxies: auto, on or off",
    detail:
      'Proxies on one server find each other by user locks on it: each has one named `mybouncer.1`, `mybouncer.2` and so on over a connection of its own, and takes an equal part of what `max_connections` leaves after `reserve`. Whatever accounts they use, and without any privilege; on a cluster, node by node. One that starts among others begins with 1 session and has its part after 3s; when one ends or dies, the others have its part after 4s, or after 15s if its whole host is gone. Without a word from the server for 2s a proxy keeps 1 session, and those that clients hold, until it has found its place again. `auto`: with `pool_size: auto`. `on`: also with a number, which is then what it takes at most. `off`: it takes no notice of others. All proxies of a server should have the same settings: those without a part in this are not counted.',
    reloadable: false,
  }),
  min_pool_size: key(wholeNumber(0, 100_000), {
    group: 'pool',
    placeholder: 'N',
    defaultText: '0',
    summary: 'server sessions kept open even if they are idle for longer than `server_idle_timeout`',
    detail:
      'Of all users together, from the first client on: sessions that end (for their age, on the server) are opened anew as long as there are fewer, for the user who had them. Never more than `pool_size`.',
    reloadable: true,
  }),
  server_idle_timeout: key(duration(0), {
    group: 'pool',
    placeholder: 'DURATION',
    defaultText: '10m',
    summary: 'time after which an idle server session is closed; 0s is never',
    detail:
      "Those that have been idle longest go first, down to `min_pool_size`. A `wait_timeout` of the server's that is shorter is seen to anyway.",
    reloadable: true,
  }),
  server_lifetime: key(duration(0), {
    group: 'pool',
    placeholder: 'DURATION',
    defaultText: '1h',
    summary: 'time after which a server session is replaced by another one; 0s is never',
    detail:
      'Up to a fifth earlier, so that sessions opened together do not end together; and only where nothing runs or is held on it: when it is idle or given back, in pool mode `session` also between two statements. While no session can be opened, none is closed for its age.',
    reloadable: true,
  }),
  query_wait_timeout: key(duration(1), {
    group: 'pool',
    placeholder: 'DURATION',
    defaultText: '5s',
    summary: 'time a client waits for a free server session before it gets an error',
    detail: '',
    reloadable: true,
  }),
  max_waiting: key(wholeNumber(0, 1_000_000), {
    group: 'pool',
    placeholder: 'N',
    defaultText: '0',
    summary: 'clients that may wait for a server session at the same time; 0 is no limit',
    detail:
      'A client beyond it gets error 1040 at once, with the numbers, instead of one after `query_wait_timeout`: where that many wait, the server cannot keep up, and more waiting makes nothing better. Those for whom a session can still be opened do not count.',
    reloadable: true,
  }),
  on_client_disconnect: key(oneOf(['kill_query', 'finish']), {
    group: 'pool',
    placeholder: 'ACTION',
    defaultText: 'kill_query',
    summary: 'what becomes of the statement of a client that goes away: kill_query or finish',
    detail:
      '`kill_query`: it is killed, again if it goes on, and after 5s together with its session. A text with a COMMIT in it is never killed; DDL, LOCK TABLES and the like, which commit before they begin, only while they wait for a lock. `finish`: it runs to its end. In both cases its transaction is then rolled back, what else the client held is ended, and the server session serves others.',
    reloadable: true,
  }),
  on_unsafe: key(onUnsafe(), {
    group: 'pool',
    placeholder: 'ACTIONS',
    defaultText: 'hold',
    summary:
      'what to do with statements that tie a client to its server session: hold, warn or error, for all kinds or by kind (user_lock=error,xa=warn)',
    detail: `\`hold\`: the client keeps the session for as long as it must. \`warn\`: the same, and one log line for each such statement, its literals aside. \`error\`: the statement is refused (error 1290) before it is sent, unless the client holds its session for such a reason already; where it shows only afterwards that it began such a hold (in a routine, say, or in a text of more than 1MiB), \`error\` is \`warn\`. One word counts for all kinds; in the file, actions can be a map: \`on_unsafe: {user_lock: error, temporary_table: warn}\`. Kinds: ${UNSAFE_KINDS.map((kind) => `\`${kind}\``).join(', ')}.`,
    reloadable: true,
  }),
  max_held: key(share(), {
    group: 'pool',
    placeholder: 'SHARE',
    defaultText: '100%',
    summary:
      'share of the server sessions that clients may hold for other reasons than a transaction: 80% or 0.8',
    detail:
      'A statement whose text would begin such a hold beyond it gets error 1040, with the numbers; a client that holds a session already is never refused, and short holds (a transaction, a cursor, warnings to be asked for) do not count. With anything above 0, one session may always be held. 100% is no limit: where all sessions are held, further clients wait up to `query_wait_timeout` for one, which is right for holds that last a moment. Set it where some last for long, so that they cannot starve the clients that hold nothing. It has no meaning in pool mode `session`.',
    reloadable: true,
  }),
  max_prepared_statements: key(wholeNumber(1, 100_000), {
    group: 'pool',
    placeholder: 'N',
    defaultText: '200',
    summary: 'prepared statements kept open on one server session',
    detail: 'The least recently used are closed first, and prepared again when a client executes them.',
    reloadable: true,
  }),
  http: key(
    parsed<TcpAddress | null>((value) => (value === 'off' ? null : parseTcpAddress(value))),
    {
      group: 'process',
      placeholder: 'ADDRESS',
      defaultText: '127.0.0.1:6034',
      summary: 'where health and metrics are served over HTTP: HOST:PORT, or off',
      detail:
        'Only this machine can reach the default. It has no login: let nobody but your monitoring reach any other address. The host is never left out, so that nothing is open to the network by accident; 0.0.0.0 is all addresses of IPv4. Port 0 takes any free port.',
      reloadable: false,
    },
  ),
  shutdown_timeout: key(duration(0), {
    group: 'process',
    placeholder: 'DURATION',
    defaultText: '30s',
    summary: 'time that clients have to finish when the process is told to stop',
    detail: 'Those still at work after that are disconnected. A second signal stops at once.',
    reloadable: true,
  }),
  log_level: key(oneOf(LOG_LEVELS), {
    group: 'process',
    placeholder: 'LEVEL',
    defaultText: 'info',
    summary: `least severe log lines written: ${LOG_LEVELS.join(', ')}`,
    detail: '',
    reloadable: true,
  }),
} as const satisfies Readonly<Record<string, KeyInfo & { readonly schema: z.ZodType }>>;

export type KeyName = keyof typeof KEYS;

export const KEY_NAMES = Object.keys(KEYS) as readonly KeyName[];

/** The row of a key, with the optional fields that the literal types of the table hide. */
export function keyInfo(name: KeyName): KeyInfo & { readonly schema: z.ZodType } {
  return KEYS[name];
}

type CamelCase<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : S;

/** The value of every key, under its camel-case name. Durations are milliseconds, sizes bytes. */
export type KeyValues = { readonly [K in KeyName as CamelCase<K>]: z.output<(typeof KEYS)[K]['schema']> };

export type LogLevel = KeyValues['logLevel'];

export function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export function flagName(name: string): string {
  return `--${name.replaceAll('_', '-')}`;
}

export const ENV_PREFIX = 'MYBOUNCER_';

/** The environment variables of a key, the strongest first. */
export function envNames(name: KeyName): readonly string[] {
  const { fileOnly, alsoEnv = [] } = keyInfo(name);
  return fileOnly === true ? [] : [`${ENV_PREFIX}${name.toUpperCase()}`, ...alsoEnv];
}
