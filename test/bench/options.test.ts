import t from 'tap';
import { parseOptions } from './options.js';

function chosen(...argv: string[]): Record<string, string[]> {
  return Object.fromEntries(
    parseOptions(argv).parts.map(({ flavor, scenarios }) => [flavor, scenarios.map(({ name }) => name)]),
  );
}

t.test('a name chooses what begins so, or itself', async (t) => {
  t.same(chosen('--only', 'connect'), { mariadb: ['connect'] });
  t.same(chosen('--only', 'profiles,many-5000', '--server', 'mysql'), {
    mysql: ['profiles-1', 'profiles-4', 'many-5000-8', 'many-5000-20'],
  });
  t.same(Object.keys(chosen('--only', 'rw', '--server', 'both')), ['mariadb', 'mysql']);
});

t.test('a verdict takes what its limits need, on each server', async (t) => {
  const { mariadb = [], mysql = [] } = chosen('--verdict');
  for (const name of ['lean-text', 'connect', 'many-128-20', 'many-5000-20', 'many-1-8', 'idle-10000']) {
    t.ok(mariadb.includes(name), name);
  }
  t.notOk(mariadb.includes('rw-text'));
  t.same(mysql, ['connect']);
  t.same(chosen('--verdict', '--only', 'connect'), { mariadb: ['connect'], mysql: ['connect'] });
  t.same(chosen('--verdict', '--server', 'mysql'), { mysql: ['connect'] });
});

t.test('for trying out', async (t) => {
  const { parts, seconds, builds } = parseOptions([
    ...['--max-clients', '10', '--seconds', '0.5', '--only', 'many-1'],
    ...['--build', 'two=/x/main.js --workers 2'],
  ]);
  t.same(
    new Set(parts.flatMap(({ scenarios }) => scenarios.map(({ clients }) => clients))),
    new Set([1, 10]),
  );
  t.equal(seconds, 0.5);
  t.same(builds, [{ name: 'two', main: '/x/main.js', args: ['--workers', '2'] }]);
});

t.test('bad usage', async (t) => {
  for (const args of [
    ['--only', 'nothing'],
    ['--peer', 'x'],
    ['--build', 'x'],
    ['--rounds', '0'],
    ['--seconds', '-1'],
    ['--server-port', '70000'],
  ]) {
    t.throws(() => parseOptions(args), { code: 'commander.invalidArgument' });
  }
});
