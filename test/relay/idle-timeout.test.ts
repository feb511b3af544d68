import t from 'tap';
import { Capability } from '../../src/protocol/constants.js';
import { idleError, ownWaitTimeout } from '../../src/relay/idle-timeout.js';
import { ProfileRegistry } from '../../src/session/profile.js';

const registry = new ProfileRegistry();
const HOME = registry.initial(
  registry.baseline(
    new Map([
      ['wait_timeout', '28800'],
      ['interactive_timeout', '600'],
    ]),
  ),
  'app',
  false,
);
const OWN = HOME.withVariable('wait_timeout', '2');

t.test("only a timeout of the client's own counts", async (t) => {
  t.equal(ownWaitTimeout(HOME, 0), null);
  t.equal(ownWaitTimeout(OWN, 0), 2);
  t.equal(ownWaitTimeout(OWN.withVariable('wait_timeout', '28800'), 0), null);
  const interactive = HOME.withVariable('wait_timeout', '600');
  t.equal(
    ownWaitTimeout(interactive, Capability.Interactive),
    null,
    'what an interactive client begins with',
  );
  t.equal(ownWaitTimeout(interactive, 0), 600);
  t.equal(ownWaitTimeout(OWN, Capability.Interactive), 2);
});

t.test('only newer versions of MySQL say why', async (t) => {
  const server = { flavor: 'mysql', versionText: '', collation: 45, capabilities: 0 } as const;
  t.match(idleError({ ...server, versionNumber: 80024 }), { errno: 4031, sqlState: 'HY000' });
  t.equal(idleError({ ...server, versionNumber: 80023 }), null);
  t.equal(idleError({ ...server, versionNumber: 101119, flavor: 'mariadb' }), null);
});
