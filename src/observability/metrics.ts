import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** What the proxy knows at the moment of a scrape. */
export interface MetricsSource {
  /** Since the start. */
  commands(): number;
  sessions(): {
    readonly idle: number;
    readonly active: number;
    readonly dialing: number;
    readonly held: number;
  };
  waiting(): number;
  limit(): number;
  /** Proxies that share the server, this one included; 0 where they are not counted. */
  fleetMembers(): number;
  /** Sessions that this proxy may have, before the server has a say. */
  fleetShare(): number;
  /** 0 where it was not asked for. */
  serverMaxConnections(): number;
  clients(): number;
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
  /** Since the start: commands answered by what the server had answered before. */
  learnedAnswers(): number;
  /** Since the start: looks at processes for who has a client's connection, by kind. */
  forkLooks(): ReadonlyMap<string, number>;
  /** Clients of which the fork guard can see nothing. */
  unguardedClients(): number;
  /** Since the start: KILLs sent to the server, by kind. */
  kills(): ReadonlyMap<string, number>;
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
  readonly waitSeconds: Histogram;
  readonly #closed: Counter<'reason'>;

  constructor(source: MetricsSource) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
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
    this.waitSeconds = new Histogram({
      name: 'mybouncer_session_wait_seconds',
      help: 'Time that requests waited for a server session; those served at once are not counted.',
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    });
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
    const gauge = (name: string, help: string, read: () => number): void => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    };
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
    gauge('mybouncer_waiting_requests', 'Requests that wait for a server session.', source.waiting);
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
    );
    gauge(
      'mybouncer_server_max_connections',
      'max_connections of the server, with pool_size auto or fleet on; 0 otherwise, and before it is known.',
      source.serverMaxConnections,
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
    gauge('mybouncer_clients', 'Client connections that are logged in.', source.clients);
  }

  sessionClosed(reason: string): void {
    this.#closed.inc({ reason });
  }
}
