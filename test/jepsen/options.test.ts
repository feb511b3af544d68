import t from 'tap';
import { FAULTS } from './faults.js';
import { parseOptions } from './options.js';

t.test('what is said', async (t) => {
  const options = parseOptions([
    ...['--seconds', '90', '--engine', 'single', '--server', 'mysql', '--workload', 'bank', '--seed', '7'],
    ...['--nemesis', 'server-kill,link-reset', '--fault', 'all'],
  ]);
  t.match(options, { seconds: 90, seed: 7, engine: 'single', server: 'mysql', workloads: ['bank'] });
  t.same(options.nemesis, ['server-kill', 'link-reset']);
  t.same(options.faults, Object.keys(FAULTS));
});

t.test('what is not said', async (t) => {
  const { workloads, nemesis, faults } = parseOptions([]);
  t.same(workloads, ['append', 'bank', 'once', 'tags']);
  t.ok(nemesis.length > 15, 'all faults of the world');
  t.same(faults, [], 'none in the proxy');
  t.same(parseOptions(['--nemesis', 'none']).nemesis, []);
});
