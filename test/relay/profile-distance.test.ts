import t from 'tap';
import { profileDistance } from '../../src/relay/profile-distance.js';
import { ProfileRegistry } from '../../src/session/profile.js';

const registry = new ProfileRegistry();
const VARIABLES = new Map([
  ['time_zone', 'SYSTEM'],
  ['sql_mode', ''],
  ['autocommit', 'ON'],
]);
const home = registry.initial(registry.baseline(VARIABLES), 'shop', false);

t.test('what has to be set counts', async (t) => {
  const two = home.withVariable('time_zone', '+01:00').withVariable('autocommit', 'OFF');
  t.equal(profileDistance(home, home), 0);
  t.equal(profileDistance(home, two), 2);
  t.equal(profileDistance(two, home), 2);
  t.equal(profileDistance(two, home.withVariable('time_zone', '+02:00')), 2, 'one is another, one is back');
  t.equal(profileDistance(two, two.withVariable('sql_mode', 'ANSI')), 1);
  t.equal(profileDistance(home, home.withSchema('other')), 1);
  t.equal(profileDistance(home, two.withSchema('other').withMultiStatements(true)), 4);
  t.equal(profileDistance(home, two), 2, 'asked again');
});

t.test('sessions that were opened under other globals', async (t) => {
  const globals = registry.baseline(new Map([...VARIABLES, ['time_zone', 'UTC'], ['sql_mode', 'ANSI']]));
  const other = registry.initial(globals, 'shop', false);
  t.equal(profileDistance(home, other), 2);
  t.equal(profileDistance(home.withVariable('time_zone', 'UTC'), other), 1);
});

t.test(
  'a session with user variables that the client does not have is further than any without',
  async (t) => {
    const variable = { literal: '1', over: null, environment: null };
    const withVariable = home.withUserVariable('a', variable);
    t.equal(profileDistance(home, withVariable), 1);
    const everything = home
      .withVariable('time_zone', '+01:00')
      .withVariable('sql_mode', 'ANSI')
      .withSchema('x');
    t.ok(profileDistance(withVariable, home) > profileDistance(everything, home));
  },
);

t.test('a client without a profile takes that of any session', async (t) => {
  t.equal(profileDistance(home, null), 0);
  t.equal(profileDistance(home.withSchema('other'), null), 0);
});
