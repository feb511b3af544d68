import { pools } from '../pools.js';
import { servers } from '../servers.js';
import { parseUpstream, type UpstreamTarget } from '../upstream.js';
import { duration, notEmpty, oneOf, parsed } from '../value-schemas.js';
import { type KeyTable, key, keyWithoutDefault, path } from './key.js';

/** The server that is served, and how it is reached. */
export const SERVER_KEYS = {
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
  servers: keyWithoutDefault(servers(), {
    group: 'server',
    placeholder: 'SERVERS',
    defaultText: null,
    example: '{ url: "mysql://app:secret@db1:3306/shop" }',
    list: true,
    summary: 'several servers of one data set, in place of upstream',
    detail:
      'A list; each entry has a `url`, and may have a `name`, a `role`, a `weight` and `addresses`. The first URL is as `upstream` has it, the others are `mysql://HOST:PORT`: the account, the schema, TLS and all users are the same on each. On the command line and in the environment, entries are URLs alone. The servers are asked all the time what they are (see `server_check_interval`): nodes of a Galera cluster, members of a replication group, a primary and its replicas, or any servers of which one takes writes. Clients work on the server that takes writes; where several do (Galera), on the first of the list that is up, until it is down, since nodes that write at the same time refuse the transactions of each other. Where each of those has a `weight`, they share the work by it. What the proxy does not do is elect, promote or repair: that is left to the engine, and to whoever runs it. `pool_size`, `min_pool_size` and `reserve` are of each server by itself.',
    reloadable: false,
  }),
  pools: keyWithoutDefault(pools(), {
    group: 'server',
    placeholder: 'POOLS',
    defaultText: null,
    fileOnly: true,
    summary: 'which of several servers clients use, by where or as whom they log in',
    detail:
      'A map of names, such as `shop` for the application and `shop_ro` for its reports. A client belongs to the pool that has the address it connects to in `listen`, else to that which has the database it logs in with in `databases`, else to that which has its user in `users`; else to the first of role `primary`, or, where there is none, to one called `default` of all servers. No statement is ever sent to a replica because it looks like a read: a client of a pool of role `replica` does so by its connection. Its writes are refused by the server. Of several replicas that will do, each session is of the one that has least to do for its `weight`.',
    reloadable: false,
  }),
  server_check_interval: key(duration(10), {
    group: 'server',
    placeholder: 'DURATION',
    defaultText: '1s',
    summary: 'pause between two questions to each of several servers what it is and how it does',
    detail:
      'Over a connection of its own, with the account of the first URL. A connection that is lost, a session that cannot be opened and an error that tells how the server is are reasons to ask at once. With one server nobody is asked. At least 10ms.',
    reloadable: true,
  }),
  server_check_timeout: key(duration(10), {
    group: 'server',
    placeholder: 'DURATION',
    defaultText: '1s',
    summary: 'time in which one of several servers has to answer that question',
    detail:
      'After the first that is not answered in time the server gets nothing new, where there is another one; after the second it is down: what runs there is given up, and reads are run again elsewhere. So a server that stands still, or that no packet reaches any more, is given up after about twice this time and one interval. At least 10ms.',
    reloadable: true,
  }),
  failover_timeout: key(duration(0), {
    group: 'server',
    placeholder: 'DURATION',
    defaultText: '30s',
    summary: 'time a statement waits while none of several servers can run it',
    detail:
      'Such as between the end of a primary and the election of the next one. Then its client gets error 1429 (HY000), which says of each server what is known. Statements of a transaction that was open on a server that is gone do not wait: they get their error at once. `0s`: nothing waits.',
    reloadable: true,
  }),
  slow_start: key(duration(0), {
    group: 'server',
    placeholder: 'DURATION',
    defaultText: '10s',
    summary: 'time in which a server that was down comes to its full share, where several share the work',
    detail:
      'Its caches are cold, and clients would come all at once. `0s`: it has its share from the beginning.',
    reloadable: true,
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
} as const satisfies KeyTable;
