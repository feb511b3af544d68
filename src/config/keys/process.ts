import { parseTcpAddress, type TcpAddress } from '../address.js';
import { duration, flag, oneOf, parsed, wholeNumber, wholeNumberOr } from '../value-schemas.js';
import { type KeyTable, key } from './key.js';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** The process itself. */
export const PROCESS_KEYS = {
  http: key(
    parsed<TcpAddress | null>((value) => (value === 'off' ? null : parseTcpAddress(value))),
    {
      group: 'process',
      placeholder: 'ADDRESS',
      defaultText: '127.0.0.1:6034',
      summary: 'where metrics, probes and the status page are served over HTTP: HOST:PORT, or off',
      detail:
        'Only this machine can reach the default. It has no login, shows names of users and statements without their literals, and takes POST /quitquitquit from this machine: let nobody but your monitoring reach any other address. The host is never left out, so that nothing is open to the network by accident; 0.0.0.0 is all addresses of IPv4. Port 0 takes any free port.',
      reloadable: false,
    },
  ),
  master: key(flag(), {
    group: 'process',
    placeholder: 'on|off',
    defaultText: 'off',
    summary:
      'serve from a child process, so that a new one can take over without a refused connection: on or off',
    detail:
      'The parent has the listening sockets and does nothing else. On SIGUSR2, or RESTART on the admin console, it starts a new child with the program and the configuration that are on disk then; once that one serves, the old one finishes as after SIGTERM, and if it does not come to serve within a minute the old one goes on. Until the old one has ended, two processes have sessions on the server: with `fleet` they share what there is. A child that dies is started anew. It has no meaning for a sandbox.',
    reloadable: false,
  }),
  workers: key(wholeNumberOr('auto', 1, 32), {
    group: 'process',
    placeholder: 'N',
    defaultText: '1',
    summary:
      'processes that serve, which share the listening sockets and one pool: a number, or auto for one per processor',
    detail:
      'One process uses one processor; more processes than processors, or several where the processors are used up already, cost more than they bring. With 2 or more there is always a parent (see `master`), which starts one that dies anew. `pool_size` (and the share of `fleet`) is for all of them together, on each server: sessions that one does not need go to another one that does. Each has its own connection for KILLs per server user, and up to `max_client_conn` clients. `auto`: what the runtime may use, by affinity and the limits of its cgroup, up to 32. It has no meaning for a sandbox.',
    reloadable: false,
  }),
  exit_after_last_client: key(flag(), {
    group: 'process',
    placeholder: 'on|off',
    defaultText: 'off',
    summary:
      'end, with exit code 0, once there has been a client and the last one has left for 5s: on or off',
    detail:
      'For jobs (a Kubernetes Job with MyBouncer beside it), which are not over before all of their containers have ended. A client that comes within the 5s is served, and they begin anew when it has left. Clients of the admin console do not count, nor do logins that fail.',
    reloadable: false,
  }),
  drain_timeout: key(duration(0), {
    group: 'process',
    placeholder: 'DURATION',
    defaultText: '30s',
    summary: 'time that clients have to finish when the process is told to stop (SIGTERM)',
    detail:
      'Until then nothing is refused: each client is served on, and closed once it has been quiet for half a second with no transaction or other hold open, or when it asks whether the connection is still good (COM_PING). While there are clients, new ones are let in. In the last tenth of the time they are closed right behind a reply; those still at work at its end get error 1053, and their statements are ended. Whoever gives the process a time to end in (`terminationGracePeriodSeconds`, `TimeoutStopSec`) has to give it some 10s more than this and `drain_delay`. A second signal stops at once.',
    reloadable: true,
  }),
  drain_delay: key(duration(0), {
    group: 'process',
    placeholder: 'DURATION',
    defaultText: '0s',
    summary: 'time after SIGTERM in which nothing changes, but that /readyz says no',
    detail:
      'For load balancers and Kubernetes services that go on sending clients until they have seen it. `drain_timeout` begins after it.',
    reloadable: true,
  }),
  top_queries: key(wholeNumber(0, 10_000), {
    group: 'process',
    placeholder: 'N',
    defaultText: '500',
    summary:
      'statements whose numbers are kept for SHOW TOP QUERIES, told apart by their text without literals',
    detail:
      "Those that take most of the server's time; what all others take is in the row `(others)`. Each needs about 4KiB of memory. 0: none.",
    reloadable: false,
  }),
  slow_query_threshold: key(duration(0), {
    group: 'process',
    placeholder: 'DURATION',
    defaultText: '0',
    summary: 'time on the server from which on a statement is told in the log; 0 for never',
    detail:
      'One line each, at level `warn`, with the statement without its literals, its client, its times on the server and waiting for a session, rows and bytes of its reply, and what its client holds; of many, one a second, which says how many were left out. `mybouncer_slow_queries_total` counts all of them.',
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
} as const satisfies KeyTable;
