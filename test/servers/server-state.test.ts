import t from 'tap';
import {
  ReportReason,
  ServerEngine,
  type ServerReport,
  ServerRole,
} from '../../src/servers/server-report.js';
import {
  FailureReason,
  ServerState,
  type ServerStateOptions,
  ServerStatus,
  type StateChange,
} from '../../src/servers/server-state.js';

const OPTIONS: ServerStateOptions = { missesToDown: 3, answersToUp: 2, slowStartMs: 10_000 };

function answer(role: ServerRole, ...reasons: ReportReason[]): ServerReport {
  return { engine: ServerEngine.Galera, role, lagSeconds: role === ServerRole.Primary ? 0 : null, reasons };
}

const PRIMARY = answer(ServerRole.Primary);
const REPLICA = answer(ServerRole.Replica);
const UNUSABLE = answer(ServerRole.Unusable, ReportReason.WsrepNonPrimary);

function newState(options: Partial<ServerStateOptions> = {}) {
  const changes: StateChange[] = [];
  const state = new ServerState({ ...OPTIONS, ...options }, 0, (change) => changes.push(change));
  const heard = (): string[] => changes.splice(0).map(({ from, to, role }) => `${from} -> ${to} ${role}`);
  return { state, changes, heard };
}

t.test('a server that answers is up at once, with what it is', async (t) => {
  const { state, changes } = newState();
  t.match(state.snapshot(0), { status: ServerStatus.Unknown, role: null, lagSeconds: null });
  t.equal(state.share(0), 0);
  state.reported(PRIMARY, 50);
  t.match(state.snapshot(80), {
    status: ServerStatus.Up,
    role: ServerRole.Primary,
    lagSeconds: 0,
    forMs: 30,
  });
  t.equal(state.share(80), 1);
  t.strictSame(changes, [
    {
      from: ServerStatus.Unknown,
      to: ServerStatus.Up,
      fromRole: null,
      role: ServerRole.Primary,
      reasons: [],
      lastedMs: 50,
    },
  ]);
  state.reported(PRIMARY, 90);
  t.equal(changes.length, 1, 'the same again is no change');
});

t.test('one miss makes it suspect, one answer brings it back, some misses make it down', async (t) => {
  const { state, heard } = newState();
  state.reported(PRIMARY, 0);
  heard();
  state.missed(1000);
  t.strictSame(heard(), ['up -> suspect primary']);
  t.strictSame(state.snapshot(1000).reasons, [FailureReason.NoAnswer]);
  t.equal(state.share(1000), 0);
  state.reported(PRIMARY, 2000);
  t.strictSame(heard(), ['suspect -> up primary']);
  t.equal(state.share(2000), 1, 'a moment of silence costs no slow start');
  t.strictSame(state.snapshot(2000).reasons, []);
  for (let i = 1; i <= 5; i++) state.missed(2000 + i * 1000);
  t.strictSame(heard(), ['up -> suspect primary', 'suspect -> down primary']);
});

t.test('it comes back by several answers, and slowly', async (t) => {
  const { state, heard } = newState();
  state.reported(PRIMARY, 0);
  for (let i = 0; i < 3; i++) state.missed(i);
  heard();
  state.reported(PRIMARY, 1000);
  t.strictSame(heard(), [], 'one answer may be the last of a dying one');
  t.strictSame(
    state.snapshot(1000).reasons,
    [FailureReason.NoAnswer],
    'what has brought it down is still told',
  );
  state.missed(2000);
  state.reported(PRIMARY, 3000);
  t.strictSame(heard(), [], 'they have to be in a row');
  state.reported(PRIMARY, 4000);
  t.strictSame(heard(), ['down -> slow_start primary']);
  t.equal(state.share(4000), 0.1);
  t.equal(state.share(9000), 0.55);
  state.timePassed(9000);
  t.strictSame(heard(), []);
  state.timePassed(14_000);
  t.strictSame(heard(), ['slow_start -> up primary']);
  t.equal(state.share(14_000), 1);
});

t.test('a slow start goes on after a moment of silence, and begins anew after it was down', async (t) => {
  const { state, heard } = newState({ answersToUp: 1 });
  state.unreachable(FailureReason.Unreachable, 0);
  state.reported(REPLICA, 0);
  heard();
  state.missed(2000);
  state.reported(REPLICA, 5000);
  t.strictSame(heard(), ['slow_start -> suspect replica', 'suspect -> slow_start replica']);
  t.equal(state.share(5000), 0.55);
  state.unreachable(FailureReason.Unreachable, 6000);
  state.reported(REPLICA, 7000);
  t.equal(state.share(7000), 0.1);
});

t.test('what it says itself, and a refused connection, is no guess', async (t) => {
  const { state, heard } = newState();
  state.reported(PRIMARY, 0);
  state.reported(UNUSABLE, 1000);
  t.strictSame(heard(), ['unknown -> up primary', 'up -> down unusable']);
  t.strictSame(state.snapshot(1000).reasons, [ReportReason.WsrepNonPrimary]);
  state.reported(PRIMARY, 2000);
  state.reported(PRIMARY, 3000);
  heard();
  state.unreachable(FailureReason.LoginRefused, 4000);
  t.strictSame(heard(), ['slow_start -> down primary']);
  t.strictSame(state.snapshot(4000).reasons, [FailureReason.LoginRefused]);
});

t.test('another role holds at once: a failover does not wait', async (t) => {
  const { state, changes } = newState();
  state.reported(REPLICA, 0);
  state.reported(PRIMARY, 500);
  t.match(changes.at(-1), {
    from: ServerStatus.Up,
    to: ServerStatus.Up,
    fromRole: 'replica',
    role: 'primary',
  });
  t.equal(state.snapshot(700).forMs, 200);
  t.equal(state.share(700), 1);
});

t.test("a client's reply makes it suspect until it has answered", async (t) => {
  const { state, heard } = newState();
  state.doubted(0);
  t.strictSame(heard(), [], 'nothing is known of it anyway');
  state.reported(PRIMARY, 0);
  state.doubted(100);
  t.strictSame(state.snapshot(100).reasons, [FailureReason.ClientReply]);
  state.reported(REPLICA, 200);
  t.strictSame(heard(), ['unknown -> up primary', 'up -> suspect primary', 'suspect -> up replica']);
});

t.test('one that has never answered is down after as many misses', async (t) => {
  const { state, heard } = newState();
  state.missed(0);
  state.missed(1);
  t.strictSame(heard(), []);
  state.missed(2);
  t.strictSame(heard(), ['unknown -> down null']);
});

t.test('second choice is up, and says why', async (t) => {
  const { state } = newState();
  state.reported(answer(ServerRole.Primary, ReportReason.WsrepDesynced), 0);
  t.match(state.snapshot(0), { status: ServerStatus.Up, reasons: [ReportReason.WsrepDesynced] });
});

t.test('one that comes to others begins slowly', async (t) => {
  const { state, heard } = newState({ startsSlowly: true });
  state.reported(PRIMARY, 0);
  t.same(heard(), ['unknown -> slow_start primary']);
  t.equal(state.share(0), 0.1);
  state.timePassed(10_000);
  t.same(heard(), ['slow_start -> up primary']);
});

t.test('without slow start it is up at once', async (t) => {
  const { state, heard } = newState({ slowStartMs: 0, answersToUp: 1 });
  state.unreachable(FailureReason.Unreachable, 0);
  state.reported(PRIMARY, 1);
  t.strictSame(heard(), ['unknown -> down null', 'down -> up primary']);
});

t.test('one that is full is what it was, and says so', async (t) => {
  const { state, changes, heard } = newState();
  state.reported(answer(ServerRole.Primary, ReportReason.WsrepDesynced), 0);
  heard();
  state.full(FailureReason.ServerFull, 1000);
  t.match(state.snapshot(1000), {
    status: ServerStatus.Up,
    role: ServerRole.Primary,
    reasons: [ReportReason.WsrepDesynced, FailureReason.ServerFull],
    forMs: 1000,
  });
  state.full(FailureReason.ServerFull, 2000);
  t.strictSame(heard(), ['up -> up primary'], 'told once');
  state.missed(3000);
  t.strictSame(heard(), ['up -> suspect primary'], 'one that stands still is another thing');
  state.full(FailureReason.AccountFull, 3500);
  t.strictSame(heard(), ['suspect -> up primary'], 'it has answered');
  state.reported(PRIMARY, 4000);
  t.match(changes, [{ from: ServerStatus.Up, to: ServerStatus.Up, reasons: [] }]);
  heard();
  state.doubted(5000);
  state.full(FailureReason.ServerFull, 5100);
  t.strictSame(heard(), ['up -> suspect primary'], 'what it is now has to be asked');
  t.strictSame(state.snapshot(5100).reasons, [FailureReason.ClientReply]);
});

t.test('one that is full, and was not up, is of no use yet', async (t) => {
  const { state, heard } = newState();
  state.full(FailureReason.ServerFull, 0);
  t.strictSame(heard(), ['unknown -> down null'], 'the next one is not kept waiting');
  state.reported(PRIMARY, 1000);
  heard();
  state.full(FailureReason.ServerFull, 2000);
  state.reported(PRIMARY, 3000);
  t.strictSame(heard(), [], 'good answers have to be in a row');
  t.strictSame(state.snapshot(3000).reasons, [FailureReason.ServerFull]);
});

t.test(
  'the data of a replica that is full are at most as old as they were, and the time since',
  async (t) => {
    const { state } = newState();
    state.reported({ ...REPLICA, lagSeconds: 2 }, 10_000);
    state.full(FailureReason.AccountFull, 10_500);
    t.equal(state.lagSeconds, 3);
    state.full(FailureReason.AccountFull, 11_000);
    t.equal(state.lagSeconds, 3);
    state.full(FailureReason.AccountFull, 14_000);
    t.equal(state.lagSeconds, 6);
    state.reported(PRIMARY, 15_000);
    state.full(FailureReason.AccountFull, 19_000);
    t.equal(state.lagSeconds, 0, 'a primary has none');
  },
);
