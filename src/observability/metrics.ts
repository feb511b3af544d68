import { type Aggregator, Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { type DryRunCounts, registerDryRun } from './dry-run-metrics.js';
import { registerTimes, type TimeHistograms } from './latency-metric.js';
import { type OwnWritesCounts, registerOwnWrites } from './own-writes-metrics.js';
import { registerServers, type ServerReading } from './server-metrics.js';

/** What the proxy knows at the moment of a scrape. */
export interface MetricsSource {
  readonly times: TimeHistograms;
  /** Since the start: statements that took longer on the server than `slow_query_threshold`. */
  slowQueries(): number;
  /** Since the start. */
  commands(): number;
  sessions(): {
    readonly idle: number;
    readonly active: number;
    readonly dialing: number;
    readonly held: number;
  };
  waiting(): number;
  /** 0 when nobody waits. */
  longestWaitSeconds(): number;
  /** Pools of interchangeable sessions. */
  pools(): number;
  /** Pools that are paused; at least 1 where all are. */
  pausedPools(): number;
  limit(): number;
  /** Proxies that share the server, this one included; 0 where they are not counted. */
  fleetMembers(): number;
  /** Sessions that this proxy may have, before the server has a say. */
  fleetShare(): number;
  /** 0 where it was not asked for. */
  serverMaxConnections(): number;
  clients(): number;
  /** By what they are doing, those that are logging in included. */
  clientsByState(): Readonly<Record<'active' | 'waiting' | 'held' | 'idle' | 'login', number>>;
  /** 1 once the proxy has been told to stop. */
  draining(): number;
  /** Since the start: logins of clients by how they ended. */
  logins(): ReadonlyMap<string, number>;
  /** Since the start: TLS handshakes with clients, by version, and those that failed. */
  tlsConnections(): ReadonlyMap<string, number>;
  tlsFailures(): number;
  /** Server sessions by the TLS version that they use, `none` included; the words are always the same. */
  encryption(): ReadonlyMap<string, number>;
  /** Since the start: TLS handshakes with the server, by kind. */
  tlsHandshakes(): ReadonlyMap<string, number>;
  /** Held sessions by reason. */
  holds(): ReadonlyMap<string, number>;
  /** How long the longest hold has lasted that does not end by itself, in seconds; 0 without one. */
  longestHoldSeconds(): number;
  /** Since the start: holds begun, by reason. */
  holdsBegun(): ReadonlyMap<string, number>;
  /** Since the start: sessions lent, by how they were come by; and the share of those that cost nothing. */
  checkouts(): ReadonlyMap<string, number>;
  reuseRatio(): number;
  /** Since the start: round trips that restored a client's state, and resets of sessions that clients left. */
  restores(): number;
  resets(): number;
  /** Since the start: client connections that two processes used, by how it came out. */
  sharedSockets(): ReadonlyMap<string, number>;
  /** Since the start: time limits that clients reached, by key. */
  timeLimits(): ReadonlyMap<string, number>;
  /** Since the start: errors that clients got which are logged in, by whose they are. */
  errors(): ReadonlyMap<string, number>;
  /** Since the start: errors that told of the server's state, and refused commands that were run once more, both by hint. */
  serverHints(): ReadonlyMap<string, number>;
  runAgain(): ReadonlyMap<string, number>;
  /** Since the start: commands answered by what the server had answered before. */
  learnedAnswers(): number;
  /** Since the start: looks at processes for who has a client's connection, by kind. */
  forkLooks(): ReadonlyMap<string, number>;
  /** Clients of which the fork guard can see nothing. */
  unguardedClients(): number;
  /** Since the start: KILLs sent to the server, by kind. */
  kills(): ReadonlyMap<string, number>;
  /** Null unless it is one. */
  readonly dryRun: (() => DryRunCounts) | null;
  /** Null where no pool has `read_your_writes`. */
  readonly ownWrites: OwnWritesCounts | null;
  /** Null where there is one server alone. */
  readonly servers: (() => readonly ServerReading[]) | null;
}

/**
 * The proxy's metrics. The hot path only adds to numbers that were bound once; everything that is a state is read when
 * somebody scrapes.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly opened: Counter.Internal;
  readonly dialFailures: Counter.Internal;
  readonly refusals: Counter.Internal;
  readonly #closed: Counter<'reason'>;

  /** @param workers - processes that serve; see {@link metricsOfAll} for how theirs become one */
  constructor(source: MetricsSource, workers = 1) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    if (source.dryRun !== null) registerDryRun(registers, source.dryRun);
    if (source.ownWrites !== null) registerOwnWrites(registers, source.ownWrites);
    if (source.servers !== null) registerServers(registers, source.servers);
    const counter = (name: string, help: string): Counter.Internal =>
      new Counter({ name, help, registers }).labels({});
    this.opened = counter('mybouncer_server_sessions_opened_total', 'Server sessions opened.');
    this.dialFailures = counter(
      'mybouncer_server_dial_failures_total',
      'Attempts to open a server session that failed.',
    );
    this.refusals = counter('mybouncer_checkouts_refused_total', 'Requests that got no server session.');
    this.#closed = new Counter({
      name: 'mybouncer_server_sessions_closed_total',
      help: 'Server sessions closed, by reason.',
      labelNames: ['reason'],
      registers,
    });
    registerTimes(this.registry, source.times);
    new Gauge({
      name: 'mybouncer_server_sessions',
      help: 'Server sessions by state.',
      labelNames: ['state'],
      registers,
      collect() {
        for (const [state, count] of Object.entries(source.sessions())) this.set({ state }, count);
      },
    });
    new Gauge({
      name: 'mybouncer_holds',
      help: 'Server sessions that clients keep between statements, by reason; one session may count for several.',
      labelNames: ['reason'],
      registers,
      collect() {
        for (const [reason, count] of source.holds()) this.set({ reason }, count);
      },
    });
    new Gauge({
      name: 'mybouncer_server_sessions_tls',
      help: "Server sessions of the pools by TLS version; 'none' are not encrypted.",
      labelNames: ['version'],
      registers,
      collect() {
        for (const [version, count] of source.encryption()) this.set({ version }, count);
      },
    });
    const countsOf = (
      name: string,
      help: string,
      label: string,
      read: () => ReadonlyMap<string, number>,
    ): void => {
      new Counter({
        name,
        help,
        labelNames: [label],
        registers,
        collect() {
          this.reset();
          for (const [word, value] of read()) this.inc({ [label]: word }, value);
        },
      });
    };
    const count = (name: string, help: string, read: () => number): void => {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    };
    /** `aggregator`: what becomes of the workers' values. */
    const gauge = (name: string, help: string, read: () => number, aggregator: Aggregator = 'sum'): void => {
      new Gauge({
        name,
        help,
        registers,
        aggregator,
        collect() {
          this.set(read());
        },
      });
    };
    count(
      'mybouncer_slow_queries_total',
      'Statements that took longer on the server than slow_query_threshold.',
      source.slowQueries,
    );
    count('mybouncer_commands_total', 'Client commands completed.', source.commands);
    countsOf(
      'mybouncer_checkouts_total',
      'Server sessions lent, each counted once: own (the last session of the client, in the state it left it in), equal ' +
        '(an idle one in that state), restored (an idle one in another state), new (after waiting for one to be opened), ' +
        'waited (after waiting for one that another client gave back).',
      'kind',
      source.checkouts,
    );
    gauge(
      'mybouncer_reuse_ratio',
      'Checkouts of kind own and equal as a share of all since the start; 0 before the first. For a period, divide the ' +
        'rates of mybouncer_checkouts_total.',
      source.reuseRatio,
    );
    gauge(
      'mybouncer_longest_hold_seconds',
      'How long the longest hold has lasted of those that do not end by themselves (a transaction does); 0 without one.',
      source.longestHoldSeconds,
      'max',
    );
    countsOf(
      'mybouncer_holds_total',
      'Holds begun: reasons for which clients kept a server session, one by one.',
      'reason',
      source.holdsBegun,
    );
    count(
      'mybouncer_restores_total',
      'Round trips that brought a server session into the state of a client.',
      source.restores,
    );
    count(
      'mybouncer_learned_answers_total',
      'Commands answered without a server session, by what the server had answered before (SET at connect).',
      source.learnedAnswers,
    );
    count(
      'mybouncer_resets_total',
      'Resets of server sessions that clients left with state on them.',
      source.resets,
    );
    countsOf(
      'mybouncer_server_tls_handshakes_total',
      "TLS handshakes with the server: full, or resumed by the ticket of an earlier one. Connections of the proxy's own count, too.",
      'kind',
      source.tlsHandshakes,
    );
    countsOf(
      'mybouncer_kills_total',
      'KILLs sent to the server: query (the first for a statement), repeated (it went on), connection (sessions of the ' +
        "proxy's own that were cut off in the midst of a command); and not_sent: the address leads to several servers, and " +
        'to another one for KILLs than for the statement.',
      'kind',
      source.kills,
    );
    countsOf(
      'mybouncer_fork_looks_total',
      'Looks of the fork guard: survey (at processes made since the last one, for all clients at once), holders (at who has ' +
        'the connections that a new process has inherited), hurried (commands served before it was known whose the ' +
        'sockets of a new process are, as that took long).',
      'kind',
      source.forkLooks,
    );
    gauge(
      'mybouncer_unguarded_clients',
      'Client connections of which the fork guard can see nothing: from other hosts, of other users, in other containers; ' +
        'all of them where it is off or cannot look.',
      source.unguardedClients,
    );
    countsOf(
      'mybouncer_shared_sockets_total',
      'Client connections that were closed because two processes used them, by how it came out: fork_guard (seen before ' +
        'anything was answered), command_during_reply, sequence_id, inside_packet, quit_during_reply, quit_of_child, ' +
        'tls_record (what came over TLS did not fit what came before).',
      'cause',
      source.sharedSockets,
    );
    countsOf(
      'mybouncer_time_limits_total',
      'Time limits that clients reached: query_timeout, transaction_timeout, idle_transaction_timeout, client_idle_timeout.',
      'limit',
      source.timeLimits,
    );
    countsOf(
      'mybouncer_errors_total',
      "Errors that clients got which are logged in: server (the server's own, passed on), proxy (no session, a limit, a rule, a " +
        'session that was lost), client (what it sent was against the protocol, or two processes sent it). Logins are in ' +
        'mybouncer_logins_total.',
      'source',
      source.errors,
    );
    countsOf(
      'mybouncer_server_hints_total',
      "Replies of the server that told of its own state: read_only (it takes no writes), not_ready (Galera's 1047), leaving (it shuts " +
        'down, or is out of its group).',
      'hint',
      source.serverHints,
    );
    countsOf(
      'mybouncer_statements_rerun_total',
      'Commands that the server refused for its state before they did anything, and that were run once more on another session, ' +
        'by what the server told.',
      'hint',
      source.runAgain,
    );
    gauge('mybouncer_waiting_requests', 'Requests that wait for a server session.', source.waiting);
    gauge(
      'mybouncer_longest_wait_seconds',
      'How long the request has waited for a server session that has waited longest of those that wait now; 0 without one.',
      source.longestWaitSeconds,
      'max',
    );
    gauge(
      'mybouncer_pools',
      "Pools of interchangeable server sessions: one for each account and set of clients' capabilities.",
      source.pools,
      'max',
    );
    gauge(
      'mybouncer_pool_paused',
      'Pools that are paused (PAUSE): their requests wait until RESUME; 1 at least while all are.',
      source.pausedPools,
      'max',
    );
    gauge('mybouncer_pool_size', 'Server sessions at most, at this moment.', source.limit);
    gauge(
      'mybouncer_pool_share',
      "Server sessions that this proxy may have: pool_size, or with pool_size auto or fleet on its part of the server's " +
        'max_connections. mybouncer_pool_size is less while the server refuses more (error 1040).',
      source.fleetShare,
    );
    gauge(
      'mybouncer_fleet_members',
      'Proxies that share the server, this one included; 0 while that is not known, or where they are not counted.',
      source.fleetMembers,
      'max',
    );
    gauge(
      'mybouncer_server_max_connections',
      'max_connections of the server, with pool_size auto or fleet on; 0 otherwise, and before it is known.',
      source.serverMaxConnections,
      'max',
    );
    countsOf(
      'mybouncer_client_tls_connections_total',
      'Client connections on which TLS was established, by its version.',
      'version',
      source.tlsConnections,
    );
    countsOf(
      'mybouncer_logins_total',
      'Logins of clients by how they ended: accepted, denied (user, password, address, certificate), broken (no login at all), ' +
        'timed_out (client_login_timeout), left, refused (no server could be reached), gave_way (unfinished, when all places were ' +
        'taken), turned_away (max_client_conn).',
      'outcome',
      source.logins,
    );
    count(
      'mybouncer_client_tls_failures_total',
      'Client connections that ended in the TLS handshake: no TLS at all, no version in common, the certificate not trusted, gone.',
      source.tlsFailures,
    );
    gauge(
      'mybouncer_draining',
      '1 once the proxy has been told to stop, and lets its clients finish.',
      source.draining,
      'max',
    );
    gauge('mybouncer_clients', 'Client connections that are logged in.', source.clients);
    gauge('mybouncer_workers', 'Processes that serve clients (workers).', () => workers, 'max');
    gauge(
      'mybouncer_workers_answering',
      'Processes whose numbers are in this answer: each one that had not died, and was not too busy for too long.',
      () => 1,
    );
    new Gauge({
      name: 'mybouncer_clients_by_state',
      help:
        'Client connections: active (a command under way), waiting (for a server session), held (idle, with a server session ' +
        'that they keep), idle, and login (not logged in yet).',
      labelNames: ['state'],
      registers,
      collect() {
        for (const [state, count] of Object.entries(source.clientsByState())) this.set({ state }, count);
      },
    });
  }

  sessionClosed(reason: string): void {
    this.#closed.inc({ reason });
  }
}
