import t from 'tap';
import { ServerTries } from '../../src/frontend/server-tries.js';

interface Asked {
  readonly user: string;
  readonly password: string;
  readonly answer: (right: boolean) => void;
  readonly fail: (error: Error) => void;
}

/** A server that answers when the test says so. */
function world(maxAtOnce = 2) {
  const asked: Asked[] = [];
  const time = { now: 1_000 };
  const tries = new ServerTries({
    tryLogin: (user, password) =>
      new Promise((resolve, reject) => asked.push({ user, password, answer: resolve, fail: reject })),
    maxAtOnce,
    patienceMs: 10_000,
    now: () => time.now,
  });
  return { asked, time, tries };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

t.test('those who come with the same password share one try', async (t) => {
  const { asked, tries } = world();
  const same = Array.from({ length: 30 }, () => tries.ask('app', 'secret'));
  const other = tries.ask('app', 'guess');
  t.equal(asked.length, 2);
  asked[0]?.answer(true);
  asked[1]?.answer(false);
  t.same(new Set(await Promise.all(same)), new Set([true]));
  t.equal(await other, false);
  const again = tries.ask('app', 'secret');
  t.equal(asked.length, 3, 'what was right is asked for again: whoever remembers it does not ask here');
  asked[2]?.answer(true);
  t.equal(await again, true);
});

t.test('a wrong password is not tried again for a moment', async (t) => {
  const { asked, time, tries } = world();
  const first = tries.ask('app', 'wrong');
  asked[0]?.answer(false);
  t.equal(await first, false);
  t.equal(await tries.ask('app', 'wrong'), false);
  t.equal(asked.length, 1);
  const right = tries.ask('app', 'right');
  asked[1]?.answer(true);
  t.equal(await right, true, 'another one is');
  time.now += 2_001;
  const later = tries.ask('app', 'wrong');
  t.equal(asked.length, 3);
  asked[2]?.answer(true);
  t.equal(await later, true);
});

t.test('a server that cannot be asked says nothing of the password', async (t) => {
  const { asked, tries } = world();
  const both = [tries.ask('app', 'secret'), tries.ask('app', 'secret')];
  asked[0]?.fail(new Error('down'));
  for (const one of both) await t.rejects(one, { message: 'down' });
  await turn();
  const again = tries.ask('app', 'secret');
  t.equal(asked.length, 2);
  asked[1]?.answer(true);
  t.equal(await again, true);
});

t.test('a few at a time; too many wait neither together nor for one user', async (t) => {
  const { asked, tries } = world(2);
  const guesses = Array.from({ length: 40 }, (_, i) => tries.ask('guessed', `guess ${i}`).catch(String));
  t.equal(asked.length, 2);
  const results = await Promise.race([Promise.all(guesses.slice(34)), turn().then(() => null)]);
  t.equal(results?.length, 6, 'who does not fit is refused at once');
  for (const result of results ?? []) t.match(result, 'Too many connections');
  const other = tries.ask('other', 'secret');
  for (let i = 0; i < 34; i++) {
    t.equal(asked.length, Math.min(i + 2, 35));
    asked[i]?.answer(false);
    await turn();
  }
  asked[34]?.answer(true);
  t.equal(await other, true);
  const many = Array.from({ length: 300 }, (_, i) => tries.ask(`user ${i}`, 'secret').catch(String));
  const refused = await Promise.race([many[299], turn()]);
  t.match(refused, 'Too many connections');
  const error = await tries.ask('one more', 'secret').catch((refusal: unknown) => refusal);
  t.match(error, { errno: 1040, sqlState: '08004' });
});

t.test('who has waited for as long as a login may take has gone', async (t) => {
  const { asked, time, tries } = world(1);
  const first = tries.ask('a', '1');
  const second = tries.ask('b', '2');
  time.now += 10_001;
  asked[0]?.answer(true);
  t.equal(await first, true);
  t.match(await second.catch((refusal: unknown) => refusal), { errno: 1040 });
  t.equal(asked.length, 1, 'the server was not asked');
});
