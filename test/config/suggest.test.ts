import t from 'tap';
import { KEY_NAMES } from '../../src/config/schema.js';
import { suggest } from '../../src/config/suggest.js';

t.test('the key that was meant', async (t) => {
  const cases: readonly (readonly [string, string | null])[] = [
    ['pool_sise', 'pool_size'],
    ['pool-size', 'pool_size'],
    ['poolsize', 'pool_size'],
    ['POOL_SIZE', 'pool_size'],
    ['pol_size', 'pool_size'],
    ['opol_size', 'pool_size'],
    ['default_pool_size', 'pool_size'],
    ['lisen', 'listen'],
    ['listen_addr', 'listen'],
    ['htpp', 'http'],
    ['loglevel', 'log_level'],
    ['query_wait_timout', 'query_wait_timeout'],
    ['user', 'users'],
    ['database_url', 'upstream'],
    ['x', null],
    ['', null],
    ['bogus', null],
    ['constructor', null],
    ['__proto__', null],
    ['a'.repeat(10_000), null],
  ];
  for (const [unknown, meant] of cases) t.equal(suggest(unknown, KEY_NAMES), meant, unknown.slice(0, 40));
  t.equal(suggest('default_pool_size', ['listen']), null, 'only what is on offer');
});
