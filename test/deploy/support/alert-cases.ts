/** `name` or `name{label="value"}`, and its values minute by minute in promtool's notation. */
export type Series = readonly [name: string, values: string];

/** When an alert fires and when it does not. */
export interface AlertCase {
  readonly firing: readonly Series[];
  /** The same minutes with just too little for it. */
  readonly quiet: readonly Series[];
  /** What `{{ $value ... }}` in the texts comes to. */
  readonly value?: string;
  /** Labels of the alert besides those of the target and the rule's own. */
  readonly labels?: Readonly<Record<string, string>>;
}

const CLIENTS: Series = ['mybouncer_clients', '3x60'];
const BOUNDS = ['0.5', '1', '+Inf'] as const;

/** A histogram of waits in which each minute adds `slow` requests that waited between 0.5 and 1 s, of 100 checkouts. */
function waits(slow: number): readonly Series[] {
  return [
    ...BOUNDS.map(
      (le): Series => [
        `mybouncer_session_wait_seconds_bucket{le="${le}"}`,
        `0+${le === '0.5' ? 0 : slow}x60`,
      ],
    ),
    ['mybouncer_session_wait_seconds_count', `0+${slow}x60`],
    ['mybouncer_checkouts_total{kind="own"}', '0+100x60'],
  ];
}

/** Each minute so many checkouts of a client's own session, and of one that had to be restored. */
function checkouts(own: number, restored: number): readonly Series[] {
  return [
    ['mybouncer_checkouts_total{kind="own"}', `0+${own}x60`],
    ['mybouncer_checkouts_total{kind="restored"}', `0+${restored}x60`],
  ];
}

const counted = (name: string, perMinute: number): readonly Series[] => [[name, `0+${perMinute}x60`]];

/** All are looked at after 50 minutes. */
export const ALERT_CASES: Readonly<Record<string, AlertCase>> = {
  MyBouncerDown: {
    firing: [
      ['up', '1x40 0x20'],
      ['mybouncer_clients', '3x40 stale'],
    ],
    // Another exporter's target.
    quiet: [['up', '1x40 0x20']],
  },
  MyBouncerRestarting: {
    firing: [['process_start_time_seconds', '1x30 2 3 4 4x30'], CLIENTS],
    quiet: [['process_start_time_seconds', '1x30 2 3 3x30'], CLIENTS],
    value: '3',
  },
  MyBouncerWorkerSilent: {
    firing: [
      ['mybouncer_workers', '2x60'],
      ['mybouncer_workers_answering', '2x40 1x20'],
    ],
    quiet: [
      ['mybouncer_workers', '2x60'],
      ['mybouncer_workers_answering', '2x60'],
    ],
    value: '1',
  },
  MyBouncerServerUnreachable: {
    firing: [
      ...counted('mybouncer_server_dial_failures_total', 1),
      ['mybouncer_server_sessions{state="idle"}', '0x60'],
      ['mybouncer_server_sessions{state="active"}', '0x60'],
      ['mybouncer_server_sessions{state="dialing"}', '1x60'],
    ],
    quiet: [
      ...counted('mybouncer_server_dial_failures_total', 1),
      ['mybouncer_server_sessions{state="idle"}', '1x60'],
      ['mybouncer_server_sessions{state="active"}', '0x60'],
    ],
  },
  MyBouncerDialFailures: {
    firing: counted('mybouncer_server_dial_failures_total', 6),
    quiet: [['mybouncer_server_dial_failures_total', '0+6x40 240x20']],
    value: '0.10',
  },
  MyBouncerServerRefusesSessions: {
    firing: [
      ['mybouncer_pool_size', '12x60'],
      ['mybouncer_pool_share', '20x60'],
    ],
    quiet: [
      ['mybouncer_pool_size', '20x60'],
      ['mybouncer_pool_share', '20x60'],
    ],
    value: '12',
  },
  MyBouncerDrainingLong: {
    firing: [['mybouncer_draining', '1x60']],
    quiet: [['mybouncer_draining', '0x40 1x20']],
  },
  MyBouncerPaused: {
    firing: [['mybouncer_pool_paused', '2x60']],
    quiet: [['mybouncer_pool_paused', '0x45 1x15']],
  },
  MyBouncerRequestsRefused: {
    firing: counted('mybouncer_checkouts_refused_total', 2),
    quiet: [['mybouncer_checkouts_refused_total', '0+2x40 80x20']],
    value: '10',
  },
  MyBouncerWaitsLong: {
    firing: waits(10),
    // As slow, but only for one request in 200.
    quiet: waits(0.5),
    value: '995ms',
  },
  MyBouncerReuseLow: {
    firing: checkouts(200, 800),
    // As little, but of next to nothing.
    quiet: checkouts(2, 8),
    value: '20%',
  },
  MyBouncerHoldsFillPool: {
    firing: [
      ['mybouncer_server_sessions{state="held"}', '18x60'],
      ['mybouncer_pool_size', '20x60'],
    ],
    quiet: [
      ['mybouncer_server_sessions{state="held"}', '15x60'],
      ['mybouncer_server_sessions{state="idle"}', '5x60'],
      ['mybouncer_pool_size', '20x60'],
    ],
    value: '90%',
  },
  MyBouncerHoldLong: {
    firing: [['mybouncer_longest_hold_seconds', '7200x60']],
    quiet: [['mybouncer_longest_hold_seconds', '3500x60']],
    value: '2h 0m 0s',
  },
  MyBouncerTransactionsTimeOut: {
    firing: counted('mybouncer_time_limits_total{limit="transaction_timeout"}', 1),
    quiet: counted('mybouncer_time_limits_total{limit="client_idle_timeout"}', 1),
    value: '15',
    labels: { limit: 'transaction_timeout' },
  },
  MyBouncerClientsTurnedAway: {
    firing: counted('mybouncer_logins_total{outcome="turned_away"}', 1),
    quiet: counted('mybouncer_logins_total{outcome="accepted"}', 1),
    value: '5',
  },
  MyBouncerLoginsDenied: {
    firing: counted('mybouncer_logins_total{outcome="denied"}', 30),
    quiet: counted('mybouncer_logins_total{outcome="denied"}', 6),
    value: '0.50',
    labels: { outcome: 'denied' },
  },
  MyBouncerLoginsRefused: {
    firing: counted('mybouncer_logins_total{outcome="refused"}', 1),
    quiet: counted('mybouncer_logins_total{outcome="denied"}', 1),
    value: '5',
    labels: { outcome: 'refused' },
  },
  MyBouncerClientTlsFailures: {
    firing: counted('mybouncer_client_tls_failures_total', 30),
    quiet: counted('mybouncer_client_tls_failures_total', 6),
    value: '0.50',
  },
  MyBouncerSharedSockets: {
    firing: counted('mybouncer_shared_sockets_total{cause="fork_guard"}', 1),
    quiet: counted('mybouncer_shared_sockets_total{cause="fork_guard"}', 0),
    value: '15',
    labels: { cause: 'fork_guard' },
  },
  MyBouncerSharedSocketsUnguarded: {
    firing: counted('mybouncer_shared_sockets_total{cause="sequence_id"}', 1),
    quiet: counted('mybouncer_shared_sockets_total{cause="fork_guard"}', 1),
    value: '15',
    labels: { cause: 'sequence_id' },
  },
  MyBouncerErrors: {
    firing: counted('mybouncer_errors_total{source="proxy"}', 30),
    quiet: counted('mybouncer_errors_total{source="server"}', 30),
    value: '0.50',
    labels: { source: 'proxy' },
  },
  MyBouncerKillsNotSent: {
    firing: counted('mybouncer_kills_total{kind="not_sent"}', 1),
    quiet: counted('mybouncer_kills_total{kind="query"}', 1),
    value: '15',
    labels: { kind: 'not_sent' },
  },
  MyBouncerFleetUnknown: {
    firing: [
      ['mybouncer_fleet_members', '0x60'],
      ['mybouncer_server_max_connections', '151x60'],
    ],
    // Nobody is counted: fleet is off.
    quiet: [
      ['mybouncer_fleet_members', '0x60'],
      ['mybouncer_server_max_connections', '0x60'],
    ],
  },
  MyBouncerServerDown: {
    firing: [['mybouncer_server_up{server="db1"}', '1x40 0x20']],
    quiet: [['mybouncer_server_up{server="db1"}', '1x40 0 1x19']],
    labels: { server: 'db1' },
  },
  MyBouncerNoPrimary: {
    firing: [
      ...['db1', 'db2'].map((server): Series => [`mybouncer_server_up{server="${server}"}`, '1x60']),
      ['mybouncer_server_role{server="db1",role="primary"}', '1x40 0x20'],
      ['mybouncer_server_role{server="db2",role="primary"}', '0x60'],
    ],
    // One is lost, and the other one takes its place.
    quiet: [
      ['mybouncer_server_up{server="db1"}', '1x40 0x20'],
      ['mybouncer_server_up{server="db2"}', '1x60'],
      ['mybouncer_server_role{server="db1",role="primary"}', '1x60'],
      ['mybouncer_server_role{server="db2",role="primary"}', '0x40 1x20'],
    ],
  },
  MyBouncerReplicaLags: {
    firing: [['mybouncer_server_lag_seconds{server="db2"}', '90x60']],
    quiet: [['mybouncer_server_lag_seconds{server="db2"}', '30x60']],
    value: '1m 30s',
    labels: { server: 'db2' },
  },
  MyBouncerFilesRunOut: {
    firing: [['process_open_fds', '900x60'], ['process_max_fds', '1000x60'], CLIENTS],
    quiet: [
      ['process_open_fds', '900x60'],
      ['process_max_fds', '1000x60'],
    ],
    value: '90%',
  },
  MyBouncerBusy: {
    firing: [['process_cpu_seconds_total', '0+57x60'], CLIENTS],
    quiet: [['process_cpu_seconds_total', '0+30x60'], CLIENTS],
    value: '95%',
  },
  MyBouncerEventLoopLag: {
    firing: [['nodejs_eventloop_lag_p99_seconds', '0.5x60'], CLIENTS],
    quiet: [['nodejs_eventloop_lag_p99_seconds', '0.02x60'], CLIENTS],
    value: '500ms',
  },
};
