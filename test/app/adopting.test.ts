import pino from 'pino';
import t from 'tap';
import { LiveSettings } from '../../src/app/live-settings.js';
import { type Setting, WorkerTeam } from '../../src/app/worker-team.js';
import { LiveConfig } from '../../src/config/live-config.js';
import { completeConfig, load } from '../../src/config/load.js';
import { memoryBus } from '../views/support/memory-bus.js';

/* A new process asks the others what was SET; what it is told while it waits for their answers was said after them. */

function settingsWith(answer: Promise<readonly Setting[]>) {
  const read = () =>
    load({ flags: new Map(), env: { DATABASE_URL: 'mysql://app:one@db:3306/shop' }, configFile: null });
  const { settings, sources } = read();
  if (settings.upstream === null) throw new Error('there is one');
  const live = new LiveConfig(completeConfig(settings, settings.upstream), sources);
  const team = {
    set: () => Promise.resolve(),
    reload: () => Promise.resolve(),
    settings: () => answer,
  };
  return { live, settings: new LiveSettings(live, read, team, pino({ level: 'silent' })) };
}

const wait = (text: string): Setting => ({ key: 'query_wait_timeout', text });

t.test('SET and RELOAD of others while it adopts come after what it adopts', async (t) => {
  const { promise, resolve } = later<readonly Setting[]>();
  const { live, settings } = settingsWith(promise);
  const adopted = settings.adopt();
  t.equal(settings.given(), null, 'it has nothing to tell yet');
  const told = settings.take(wait('42s'));
  resolve([wait('41s'), { key: 'query_timeout', text: '9s' }]);
  await Promise.all([adopted, told]);
  t.equal(live.values.queryWaitTimeout, 42_000);
  t.equal(live.values.queryTimeout, 9_000);
  t.same(settings.given(), [wait('42s'), { key: 'query_timeout', text: '9s' }]);
});

t.test('after a RELOAD nothing of it is left', async (t) => {
  const { promise, resolve } = later<readonly Setting[]>();
  const { live, settings } = settingsWith(promise);
  const before = live.values.queryWaitTimeout;
  const adopted = settings.adopt();
  const told = settings.reloadToo();
  resolve([wait('41s')]);
  await Promise.all([adopted, told]);
  t.equal(live.values.queryWaitTimeout, before);
  t.same(settings.given(), []);
});

t.test('one that is just starting as well is not asked', async (t) => {
  const [first, second, third] = memoryBus(3);
  if (first === undefined || second === undefined || third === undefined) throw new Error('there are three');
  first.answer('config.settings', () => null);
  second.answer('config.settings', () => [wait('41s')]);
  t.same(await new WorkerTeam(third).settings(), [wait('41s')]);
});

t.test('clients are counted over all generations', async (t) => {
  const [old, next] = memoryBus(1, 1);
  if (old === undefined || next === undefined) throw new Error('there are two');
  old.answer('clients.counts', () => ({ loggedIn: 3, now: 2 }));
  t.same(await new WorkerTeam(next).clientCounts({ loggedIn: 1, now: 0 }), { loggedIn: 4, now: 2 });
});

function later<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
