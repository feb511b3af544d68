import t from 'tap';
import type { SessionStateReport } from '../../src/protocol/session-state.js';
import { AppliedWrites } from '../../src/writes/applied-writes.js';
import { WriteRegistry } from '../../src/writes/write-registry.js';
import { WRITES_COUNT_MS, Written } from '../../src/writes/written.js';

const NOTHING: SessionStateReport = {
  variables: [],
  schema: null,
  stateChanged: false,
  characteristics: null,
  transactionState: null,
  gtids: null,
};
const SOURCE = '530070e8-e620-11f1-8784-02fc00000001';

const mariadb = (gtid: string): SessionStateReport => ({
  ...NOTHING,
  variables: [
    ['autocommit', 'ON'],
    ['last_gtid', gtid],
  ],
});
const mysql = (gtids: string): SessionStateReport => ({ ...NOTHING, gtids });

t.test('a reader waits once for each write on each replica', async (t) => {
  const written = new Written('app');
  const [one, other] = [new AppliedWrites(true), new AppliedWrites(true)];
  t.notOk(written.isMissingOn(one), 'nothing was written');
  written.note(NOTHING);
  written.note(mariadb(''));
  t.notOk(written.isMissingOn(one), 'of reports that tell of no write');
  written.note(mariadb('0-1-5'));
  t.ok(written.isMissingOn(one));
  t.equal(written.position('mariadb'), '0-1-5');
  t.equal(written.position('mysql'), null);
  written.wasReachedOn(one, written.at);
  t.notOk(written.isMissingOn(one));
  t.ok(written.isMissingOn(other));
  written.note(mariadb('0-1-6'));
  t.ok(written.isMissingOn(one), 'a write makes all of it new');
  const { at } = written;
  written.note(mariadb('0-1-7'));
  written.wasReachedOn(one, at);
  t.ok(written.isMissingOn(one), 'what was waited for was not the last write');
});

t.test('after a wait in vain nobody waits for a while', async (t) => {
  const written = new Written('app');
  written.note(mysql(`${SOURCE}:5`));
  t.notOk(written.isHopeless());
  written.wasNotReached(performance.now() + 60_000);
  t.ok(written.isHopeless());
  written.wasReachedOn(new AppliedWrites(true), written.at);
  t.notOk(written.isHopeless(), 'a replica has it after all');
  written.wasNotReached(performance.now() - 1);
  t.notOk(written.isHopeless(), 'the while is over');
});

t.test('where a report cannot be read, or none comes, no replica will do', async (t) => {
  for (const lose of [
    (written: Written) => written.note(mysql('nonsense')),
    (written: Written) => written.note(mariadb('nonsense')),
    (written: Written) => written.lostSight(),
  ]) {
    const written = new Written('app');
    written.note(mysql(`${SOURCE}:5`));
    lose(written);
    t.ok(written.isMissingOn(new AppliedWrites(true)));
    t.ok(written.isHopeless());
    t.equal(written.position('mysql'), null);
  }
});

t.test('a write counts for some minutes', async (t) => {
  const written = new Written('app');
  const replica = new AppliedWrites(true);
  written.note(mysql('nonsense'));
  const now = performance.now();
  const clock = t.intercept(performance, 'now', { value: () => now + WRITES_COUNT_MS + 1 });
  t.notOk(written.isMissingOn(replica));
  t.notOk(written.isHopeless());
  t.equal(written.at, 0);
  clock.restore();
  written.note(mysql(`${SOURCE}:7`));
  t.equal(written.position('mysql'), `${SOURCE}:7`, 'as if nothing had been before');
});

t.test('a process is known while it has clients, and for a while after it has written', async (t) => {
  const registry = new WriteRegistry();
  const first = registry.enter('pid 1');
  t.equal(registry.enter('pid 1'), first, 'one for all its clients');
  t.not(registry.enter('pid 2'), first);
  t.equal(registry.size, 2);
  first.note(mariadb('0-1-5'));
  registry.leave(first);
  registry.leave(first);
  t.equal(registry.size, 2);
  t.equal(registry.enter('pid 1'), first, 'PHP connects for each request');
  registry.leave(first);
  const silent = registry.enter('pid 3');
  registry.leave(silent);
  t.equal(registry.size, 2, 'of those who wrote nothing nothing is kept');
  const now = performance.now();
  t.intercept(performance, 'now', { value: () => now + WRITES_COUNT_MS + 1 });
  registry.leave(registry.enter('pid 4'));
  t.equal(registry.size, 1, 'too long ago');
});

t.test('many processes that have gone', async (t) => {
  const registry = new WriteRegistry();
  for (let i = 0; i < 10_050; i++) {
    const written = registry.enter(`pid ${i}`);
    written.note(mariadb('0-1-5'));
    registry.leave(written);
  }
  t.equal(registry.size, 10_000);
  t.equal(registry.enter('pid 0').at, 0, 'the first ones are forgotten');
  t.not(registry.enter('pid 10049').at, 0);
});
