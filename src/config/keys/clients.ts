import * as z from 'zod';
import { parseGroup, parseMode, parseOwner } from '../socket-access.js';
import { userSchema } from '../user-schema.js';
import {
  duration,
  flagOr,
  listenAddresses,
  names,
  octal,
  oneOf,
  parsed,
  size,
  timeLimit,
  wholeNumber,
} from '../value-schemas.js';
import { type KeyTable, key, keyWithoutDefault, path } from './key.js';

const MIB = 1024 ** 2;

/** Where clients connect, who they are, and what they may do. */
export const CLIENT_KEYS = {
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
    detail:
      "From 1KiB to 1GiB, of one command as it is sent, whatever command it is; the file of LOAD DATA LOCAL does not count. The server's own `max_allowed_packet` applies as well, and is what clients read of it: leave this the larger one. A command that is too long for either gets error 1153 and ends its client's connection, as it does on the server, but always with that word and without costing a server session. A session goes by the `max_allowed_packet` of the moment when it was opened: after SET GLOBAL, `RECONNECT` in the admin console. A change is for clients that connect from then on.",
    reloadable: true,
  }),
  fork_guard: key(flagOr('auto'), {
    group: 'clients',
    placeholder: 'auto|on|off',
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
        "A list; each entry has a `name` and exactly one of `password`, `password_file` and `hash`; `query_timeout`, `transaction_timeout`, `idle_transaction_timeout` and `client_idle_timeout` take the place of the keys of the same name for this user, and `max_client_conn` limits its own client connections (error 1226). The upstream URL's own user is always there without being listed; an entry with its name takes its place. The list may change while the proxy runs: clients of a user who is gone stay until they leave, and new logins are refused; so it is with a password that is another one now. Time limits are those of present clients, too; everything else counts from the next login on. Where what is said to the server changes for one of its users, open sessions stay.",
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
      'Names of `users`, or of the upstream URL. The console answers SHOW POOLS, CLIENTS, SERVERS, UPSTREAMS, HOLDS, WAITERS, STATS, USERS, CONFIG, PROFILES, FLEET and VERSION, and can close clients, pause pools, replace the server sessions, read the configuration anew, change single keys and stop the proxy; HELP lists it all. Who is in the console when its name is taken away stays until it leaves. For everybody else, and with an empty list, `mybouncer` is a schema like any other.',
    reloadable: true,
  }),
} as const satisfies KeyTable;
