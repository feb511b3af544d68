import { format, inspect } from 'node:util';
import t from 'tap';
import { maskUrlPasswords, Secret } from '../../src/config/secret.js';

t.test('a secret shows itself only when asked', async (t) => {
  const secret = new Secret('hunter2');
  t.equal(secret.reveal(), 'hunter2');
  const shown = [
    `${secret}`,
    `a${secret}`,
    String(secret),
    JSON.stringify({ secret }),
    inspect(secret, { showHidden: true }),
  ];
  for (const text of [...shown, format('%s %o %j', secret, secret, secret), Object.entries(secret).join()]) {
    t.notMatch(text, /hunter2/);
  }
});

t.test('passwords of URLs in a text', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['cannot reach mysql://app:hunter2@db/shop now', 'cannot reach mysql://app:[secret]@db/shop now'],
    ['mysql://app:hunt@er2@db', 'mysql://app:[secret]@db'],
    ['mysql://app:@db', 'mysql://app:[secret]@db'],
    ['mysql://app@db/shop', 'mysql://app@db/shop'],
    ['mysql+x://a:b@c mariadb://d:e@f', 'mysql+x://a:[secret]@c mariadb://d:[secret]@f'],
    ['{"url":"mysql://app:hunter2@db"}', '{"url":"mysql://app:[secret]@db"}'],
    ['http://127.0.0.1:6034/metrics', 'http://127.0.0.1:6034/metrics'],
    ['app:secret@db', 'app:secret@db'],
  ];
  for (const [text, masked] of cases) t.equal(maskUrlPasswords(text), masked);
});
