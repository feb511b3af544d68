/** What the size of the pool becomes when the server answers in odd ways. */
import t, { type Test } from 'tap';
import { InternalCommandError } from '../../src/backend/internal-commands.js';
import type { Ask } from '../../src/relay/fleet.js';
import { PoolSizer } from '../../src/relay/pool-sizer.js';

/** A proxy that may share its server; `look`: the answers to the question who is there. */
function sharing(
  t: Test,
  look: Ask,
): { readonly sizes: number[]; readonly warnings: string[]; start(): Promise<void> } {
  const sizes: number[] = [];
  const warnings: string[] = [];
  const sizer = new PoolSizer({
    ask: (statement) => {
      if (/max_connections/.test(statement)) return Promise.resolve([['100', '0', '0']]);
      return look(statement);
    },
    server: () => ({ flavor: 'mysql' }),
    size: 'auto',
    rules: { reserve: { share: 0.1 }, own: 2, oneAccount: false },
    fleet: true,
    apply: (size) => sizes.push(size),
    log: { info: () => {}, warn: (_fields, message) => warnings.push(message) },
  });
  t.teardown(() => sizer.stop());
  return { sizes, warnings, start: () => sizer.start() };
}

t.test('an error that says nothing of locks does not make a proxy take what others have', async (t) => {
  for (const [errno, sqlState] of [
    [1317, '70100'],
    [1053, '08S01'],
    [3024, 'HY000'],
    [1969, '70100'],
    [1041, 'HY000'],
    [1205, 'HY000'],
  ] as const) {
    const { sizes, warnings, start } = sharing(t, () =>
      Promise.reject(new InternalCommandError({ errno, sqlState, message: 'not now' })),
    );
    await start();
    t.same(sizes, [], `${errno}`);
    t.same(warnings, ['the server does not tell how many sessions the pool may have']);
  }
});

t.test('where there are no user locks, it takes itself for the only one, and says so', async (t) => {
  const { sizes, warnings, start } = sharing(t, () =>
    Promise.reject(
      new InternalCommandError({
        errno: 1105,
        sqlState: 'HY000',
        message: 'Percona-XtraDB-Cluster prohibits use of GET_LOCK with pxc_strict_mode = ENFORCING',
      }),
    ),
  );
  await start();
  t.same(sizes, [88]);
  t.match(warnings, [/refuses user locks/]);
});
