import t from 'tap';
import { DialLog } from '../../src/observability/dial-log.js';

t.test('an outage is a few lines, whatever the number of attempts', async (t) => {
  let now = 1_000;
  const lines: [string, object, string][] = [];
  const log = new DialLog(
    {
      info: (fields, message) => lines.push(['info', fields, message]),
      warn: (fields, message) => lines.push(['warn', fields, message]),
    },
    () => now,
  );
  const said = (): [string, object, string][] => lines.splice(0);
  const failure = 'cannot open a server session';
  log.opened('a');
  t.same(said(), [], 'nothing was wrong');

  log.failed('a', 'refused', 49.6);
  t.same(said(), [['warn', { pool: 'a', error: 'refused', attempts: 1, forMs: 0, retryInMs: 50 }, failure]]);
  for (let i = 0; i < 99; i++) {
    now += 100;
    log.failed('a', 'refused', 100);
  }
  t.same(said(), [], 'the same');
  now += 100;
  log.failed('a', 'refused', 100);
  t.match(said(), [['warn', { attempts: 101, forMs: 10_000 }, failure]], 'still so');
  log.failed('a', 'too many connections', 100);
  t.match(said(), [['warn', { error: 'too many connections', attempts: 102 }, failure]], 'another reason');
  log.failed('b', 'access denied', 100);
  t.match(said(), [['warn', { pool: 'b', attempts: 1 }, failure]], 'another pool');

  now += 5;
  log.opened('a');
  t.same(said(), [
    ['info', { pool: 'a', failedAttempts: 102, afterMs: 10_005 }, 'server sessions can be opened again'],
  ]);
  log.opened('a');
  t.same(said(), []);
  log.failed('a', 'refused', 50);
  t.match(said(), [['warn', { attempts: 1, forMs: 0 }, failure]], 'the next outage begins anew');
});

t.test('the trouble of now', async (t) => {
  let now = 1_000;
  const log = new DialLog({ info: () => undefined, warn: () => undefined }, () => now);
  t.equal(log.trouble, null);
  log.failed('a', 'refused', 50);
  now += 5_000;
  log.failed('b', 'access denied', 50);
  log.failed('a', 'too many connections', 50);
  t.same(log.trouble, { pool: 'a', error: 'too many connections', attempts: 2, seconds: 5 });
  log.opened('a');
  t.match(log.trouble, { pool: 'b', seconds: 0 });
  now += 31_000;
  t.equal(log.trouble, null, 'nobody wants a session of that pool any more');
});
