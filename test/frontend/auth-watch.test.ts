import t from 'tap';
import { AuthWatch } from '../../src/frontend/auth-watch.js';
import { eventually } from '../support/proxied.js';
import { startHarness } from './support/harness.js';
import { loginPayload, RawClient } from './support/raw-client.js';

function watch(free: number): { watch: AuthWatch; clock: { now: number }; lines: string[] } {
  const clock = { now: 0 };
  const lines: string[] = [];
  const note = (fields: object, message: string): void =>
    void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = { debug: note, warn: note, error: note };
  return { watch: new AuthWatch({ free, log, now: () => clock.now }), clock, lines };
}

t.test('the first denials to an address are told at once, further ones wait', async (t) => {
  const { watch: own, clock } = watch(3);
  const waits = (host: string): boolean => own.denied(host) !== null;
  t.same(
    [1, 2, 3, 4, 5].map(() => waits('10.0.0.1')),
    [false, false, false, true, true],
  );
  t.notOk(waits('10.0.0.2'), 'another address is none of it');
  t.notOk(waits('localhost'));
  clock.now += 60_000;
  t.ok(waits('10.0.0.1'), 'a minute after the last one it is not forgotten');
  clock.now += 60_001;
  t.notOk(waits('10.0.0.1'), 'then it is');
  t.same(
    [1, 2, 3, 4].map((n) => waits(`2001:db8::${n}`)),
    [false, false, false, true],
    'one network of IPv6',
  );
  t.notOk(waits('2001:db8:0:1::1'), 'another network');
  const never = watch(0).watch;
  t.notOk(
    [1, 2, 3, 4].some(() => never.denied('10.0.0.1') !== null),
    '0 is never',
  );
});

t.test('neither addresses nor waiting answers pile up', async (t) => {
  const { watch: own } = watch(1);
  for (let i = 0; i < 10_100; i++) own.denied(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  t.equal(own.addresses, 10_000);
  const held = Array.from({ length: 600 }, () => own.denied('192.0.2.1')).slice(1);
  t.equal(own.waiting, 500);
  // The ones that waited longest were let go, all in one turn and without a timer.
  await Promise.all(held.slice(0, 99));
});

t.test('the use of an old password is told once a minute for a user', async (t) => {
  const { watch: own, clock, lines } = watch(1);
  for (const user of ['a', 'a', 'b', 'a']) own.formerProven(user, '10.0.0.1');
  t.equal(lines.length, 2);
  clock.now += 60_000;
  own.formerProven('a', '10.0.0.1');
  t.equal(lines.length, 3);
});

t.test('a denial that waits keeps nobody else waiting', async (t) => {
  let tell: () => void = () => {};
  const held = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const denied: string[] = [];
  const observer = {
    denied: (host: string): Promise<void> => {
      denied.push(host);
      return held;
    },
    formerProven: (): void => {},
  };
  const { port, socketPath, frontend } = await startHarness(t, { observer });
  const wrong = new RawClient({ port });
  wrong.send(loginPayload(await wrong.greeting(), 'app', 'wrong'), 1);
  let told = false;
  const answer = wrong.expect().then((packet) => {
    told = true;
    return packet.payload;
  });
  const gone = new RawClient({ path: socketPath });
  gone.send(loginPayload(await gone.greeting(), 'app', 'not right either'), 1);
  for (const place of [{ port }, { path: socketPath }]) {
    const right = new RawClient(place);
    right.send(loginPayload(await right.greeting(), 'app', 'secret'), 1);
    t.equal((await right.expect()).payload[0], 0, 'a right login is let in meanwhile');
  }
  t.notOk(told);
  await eventually('both are denied', () => denied.length === 2);
  t.same(denied.sort(), ['127.0.0.1', 'localhost']);
  gone.socket.destroy();
  tell();
  t.equal((await answer).readUInt16LE(1), 1045);
  t.equal(frontend.counts.logins.accepted, 2);
});
