import { onUnsafe, UNSAFE_KINDS } from '../unsafe-holds.js';
import {
  duration,
  flag,
  flagOr,
  oneOf,
  portion,
  share,
  wholeNumber,
  wholeNumberOr,
} from '../value-schemas.js';
import { type KeyTable, key } from './key.js';

/** How many server sessions there are, and who gets one when. */
export const POOL_KEYS = {
  pool_mode: key(oneOf(['transaction', 'session']), {
    group: 'pool',
    placeholder: 'MODE',
    defaultText: 'transaction',
    summary: 'how long a client keeps a server session: transaction or session',
    detail:
      '`transaction`: until its transaction is over and nothing else ties it to the session. `session`: until it disconnects. A change is for clients that log in from then on.',
    reloadable: true,
  }),
  dry_run: key(flag(), {
    group: 'pool',
    placeholder: 'on|off',
    defaultText: 'off',
    summary: 'in pool mode session: find out what pool mode transaction would do; on or off',
    detail:
      'Each client has a server session of its own for as long as it is connected, as in pool mode `session`; but it is kept account, as in pool mode `transaction`, of when that session could have gone to others and what would have held it. `mybouncer advise`, SHOW ADVICE, SHOW HOLDS and the metrics tell how many sessions would have been needed, which statements would have held one, and what `on_unsafe` would have refused: nothing is refused in a dry run. Only with `pool_mode: session`.',
    reloadable: false,
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
  fleet: key(flagOr('auto'), {
    group: 'pool',
    placeholder: 'auto|on|off',
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
      'A client beyond it gets error 1040 at once, with the numbers, instead of one after `query_wait_timeout`: where that many wait, the server cannot keep up, and more waiting makes nothing better. Those for whom a session can still be opened do not count. Of several servers, each has a line of its own, and so have those who wait for any server to be had (`failover_timeout`).',
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
  read_your_writes_timeout: key(duration(0), {
    group: 'pool',
    placeholder: 'DURATION',
    defaultText: '1s',
    summary: 'time a read waits on a replica for what its application has written',
    detail:
      'In pools with `read_your_writes`. A replica that has not got it by then is not read: the statement goes to the primary, if the pool may use it (`fallback_to_primary`), and so do further reads of that process for five times as long, without waiting; else it gets error 1205, and so does one whose client holds a session of the replica (outside of a transaction). `0s`: no waiting, only what a replica has already.',
    reloadable: true,
  }),
  wsrep_sync_wait: key(wholeNumberOr('server', 0, 15), {
    group: 'pool',
    placeholder: 'BITS',
    defaultText: 'server',
    summary: 'on Galera: what clients wait for before which statements, in place of what the server says',
    detail:
      "The value that the variable of this name has for each client at its login: 1 has reads wait until the node has applied all that was written on any node before, 3 UPDATE and DELETE too, 7 INSERT and REPLACE too, 15 also SHOW; 0 nothing. A client that sets it for itself has what it sets. `server`: as the server has it; but clients of a pool with `read_your_writes` have 1 at least. How long a node waits is its own to say (`repl.causal_read_timeout` in `wsrep_provider_options`, 30s): then the statement gets its error 1205. Each read then asks the cluster's order first, which takes about as long as a packet to the farthest node and back.",
    reloadable: false,
  }),
  max_prepared_statements: key(wholeNumber(1, 100_000), {
    group: 'pool',
    placeholder: 'N',
    defaultText: '200',
    summary: 'prepared statements kept open on one server session',
    detail:
      'The least recently used are closed first, and prepared again when a client executes them. A change is for sessions that are opened from then on: RECONNECT replaces those there are.',
    reloadable: true,
  }),
} as const satisfies KeyTable;
