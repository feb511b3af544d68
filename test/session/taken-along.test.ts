import t from 'tap';
import { ProfileRegistry } from '../../src/session/profile.js';
import { TAKEN_ALONG } from '../../src/session/variables.js';

const HERE = [
  ['server_id', '1'],
  ['sql_mode', 'ANSI'],
  ['auto_increment_offset', '1'],
  ['wait_timeout', '60'],
] as const;
const THERE = [
  ['server_id', '2'],
  ['sql_mode', ''],
  ['auto_increment_offset', '2'],
  ['wait_timeout', '60'],
] as const;

function world(takenAlong: ReadonlySet<string> | null) {
  const registry = new ProfileRegistry(takenAlong);
  const [here, there] = [HERE, THERE].map((variables) =>
    registry.initial(registry.baseline(new Map(variables)), 'shop', false),
  );
  if (here === undefined || there === undefined) throw new TypeError('there are two');
  return { here, there };
}

t.test('what statements mean goes along to another server, what is its own stays', async (t) => {
  const { here, there } = world(TAKEN_ALONG);
  t.equal(there.differenceTo(here).setStatement, "SET SESSION sql_mode='ANSI'");
  const { here: before, there: after } = world(null);
  t.equal(
    after.differenceTo(before).setStatement,
    "SET SESSION auto_increment_offset=1, SESSION server_id=1, SESSION sql_mode='ANSI'",
    'of one server, another baseline is another time',
  );
});

t.test(
  'what a client has set itself goes along; taking it away needs the own value of the server',
  async (t) => {
    const { here, there } = world(TAKEN_ALONG);
    const own = here.withVariable('auto_increment_offset', '7');
    t.match(there.differenceTo(own), {
      setStatement: "SET SESSION auto_increment_offset=7, SESSION sql_mode='ANSI'",
      needsReset: false,
    });
    t.match(own.differenceTo(here), { setStatement: null, needsReset: true });
    const mode = here.withVariable('sql_mode', '');
    t.match(mode.differenceTo(here), { setStatement: "SET SESSION sql_mode='ANSI'", needsReset: false });
  },
);
