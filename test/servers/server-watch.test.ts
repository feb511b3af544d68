import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { ProbeAnswer } from '../../src/servers/server-probe.js';
import { FailureReason, ServerState, ServerStatus } from '../../src/servers/server-state.js';
import {
  type ConnectReason,
  ServerWatch,
  type WatchClock,
  type WatchedServer,
} from '../../src/servers/server-watch.js';

/** Time that only goes on when the test says so. */
class TestClock implements WatchClock {
  #now = 0;
  readonly #timers = new Map<() => void, number>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const own = (): void => callback();
    this.#timers.set(own, this.#now + ms);
    return () => this.#timers.delete(own);
  }

  get pending(): number {
    return this.#timers.size;
  }

  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, at]) => at <= end).sort((a, b) => a[1] - b[1])[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.#now = due[1];
      due[0]();
      await turn();
    }
    this.#now = end;
    await turn();
  }
}

/** Answers when it is told to. */
class ManualServer implements WatchedServer {
  readonly probed = { flavor: 'mariadb', versionText: '10.11.19-MariaDB' } as const;
  asked = 0;
  dropped = 0;
  unreachable: Error | null = null;
  connects = 0;
  #waiting: { resolve(answers: readonly ProbeAnswer[]): void; reject(error: Error): void }[] = [];

  async connect(): Promise<void> {
    this.connects++;
    if (this.unreachable !== null) throw this.unreachable;
  }

  drop(): void {
    this.dropped++;
  }

  reasonOf(error: unknown): ConnectReason {
    switch (error instanceof Error ? error.message : '') {
      case 'Access denied':
        return FailureReason.LoginRefused;
      case 'Too many connections':
        return FailureReason.ServerFull;
      default:
        return FailureReason.Unreachable;
    }
  }

  ask(): Promise<readonly ProbeAnswer[]> {
    this.asked++;
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async answer(readOnly: 'ON' | 'OFF' = 'OFF'): Promise<void> {
    const variables = { rows: [{ Variable_name: 'read_only', Value: readOnly }], errno: null };
    const nothing = { rows: [], errno: null };
    this.#waiting.shift()?.resolve([variables, nothing, nothing]);
    await turn();
  }

  /** Its connection is ended. */
  async cut(): Promise<void> {
    this.#waiting.shift()?.reject(new Error('the connection was lost'));
    await turn();
  }
}

async function newWatch() {
  const clock = new TestClock();
  const server = new ManualServer();
  const state = new ServerState({ missesToDown: 2, answersToUp: 1, slowStartMs: 0 }, 0, () => undefined);
  const watch = new ServerWatch(server, state, { intervalMs: () => 1000, timeoutMs: () => 300, clock });
  watch.start();
  await turn();
  return { clock, server, watch, status: () => state.snapshot(clock.now()) };
}

t.test('it asks, waits, and asks again', async (t) => {
  const { clock, server, status, watch } = await newWatch();
  t.equal(server.asked, 1);
  await server.answer();
  t.match(status(), { status: ServerStatus.Up, role: 'primary' });
  await clock.pass(999);
  t.equal(server.asked, 1);
  await clock.pass(1);
  t.equal(server.asked, 2);
  await server.answer('ON');
  t.match(status(), { status: ServerStatus.Up, role: 'replica' });
  watch.stop();
  t.equal(clock.pending, 0);
});

t.test('what is not answered in time counts against it, and what comes later is not heard', async (t) => {
  const { clock, server, status, watch } = await newWatch();
  await server.answer();
  await clock.pass(1000);
  t.equal(server.asked, 2);
  await clock.pass(300);
  t.match(status(), { status: ServerStatus.Suspect, reasons: [FailureReason.NoAnswer] });
  t.equal(server.dropped, 1, 'its connection is given up');
  t.equal(server.asked, 3, 'and it is asked again at once');
  await server.answer();
  t.match(status(), { status: ServerStatus.Suspect }, 'an old answer is no news');
  await clock.pass(300);
  t.match(status(), { status: ServerStatus.Down }, 'known after as many time limits as misses are allowed');
  await server.answer();
  t.match(status(), { status: ServerStatus.Down }, 'the answer to the question before');
  await server.answer();
  t.match(status(), { status: ServerStatus.Up });
  watch.stop();
});

t.test('a connection that is ended while it is asked says nothing of the server', async (t) => {
  const { clock, server, status, watch } = await newWatch();
  await server.answer();
  await clock.pass(1000);
  await server.cut();
  t.match(status(), { status: ServerStatus.Up }, 'a new one is tried');
  t.equal(server.asked, 3);
  await server.cut();
  t.match(status(), { status: ServerStatus.Down, reasons: [FailureReason.Unreachable] }, 'once');
  await clock.pass(1000);
  await server.answer();
  t.match(status(), { status: ServerStatus.Up });
  await clock.pass(1000);
  server.unreachable = new Error('Too many connections');
  await server.cut();
  t.match(status(), { status: ServerStatus.Up, reasons: [FailureReason.ServerFull] }, 'which tells');
  server.unreachable = null;
  await clock.pass(1000);
  const { connects, asked } = server;
  await clock.pass(300);
  await server.cut();
  t.same(
    [server.connects, server.asked],
    [connects + 1, asked + 1],
    'one that is given up tries nothing more',
  );
  watch.stop();
});

t.test('asked for while it asks, it asks once more: the answer may be older than the reason', async (t) => {
  const { clock, server, watch } = await newWatch();
  watch.askNow();
  watch.askNow();
  t.equal(server.asked, 1);
  await server.answer();
  t.equal(server.asked, 2);
  await server.answer();
  t.equal(server.asked, 2);
  watch.askNow();
  await turn();
  t.equal(server.asked, 3);
  t.equal(clock.pending, 1, 'the time limit of this one is all there is');
  watch.stop();
});

t.test('no connection: it is down at once, and asked again', async (t) => {
  const { clock, server, status, watch } = await newWatch();
  await server.answer();
  server.unreachable = new Error('Connection refused');
  await clock.pass(1000);
  t.match(status(), { status: ServerStatus.Down, reasons: [FailureReason.Unreachable] });
  server.unreachable = new Error('Access denied');
  await clock.pass(1000);
  t.match(status(), { status: ServerStatus.Down, reasons: [FailureReason.LoginRefused] });
  server.unreachable = null;
  await clock.pass(1000);
  await server.answer();
  t.match(status(), { status: ServerStatus.Up });
  watch.stop();
});

t.test('it lets nobody else in: it is what it was', async (t) => {
  const { clock, server, status, watch } = await newWatch();
  await server.answer();
  server.unreachable = new Error('Too many connections');
  await clock.pass(1000);
  t.match(status(), { status: ServerStatus.Up, role: 'primary', reasons: [FailureReason.ServerFull] });
  server.unreachable = new Error('Connection refused');
  await clock.pass(1000);
  t.match(status(), { status: ServerStatus.Down, reasons: [FailureReason.Unreachable] });
  watch.stop();
});

t.test('nothing is heard after it was stopped', async (t) => {
  const { clock, server, status, watch } = await newWatch();
  watch.stop();
  await server.answer();
  await clock.pass(10_000);
  t.equal(server.asked, 1);
  t.match(status(), { status: ServerStatus.Unknown });
  watch.askNow();
  t.equal(server.asked, 1);
});
