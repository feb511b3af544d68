import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { literal, ProfileRegistry, type SessionProfile } from '../../src/session/profile.js';
import { isTrackerVariable, treatmentOf, VariableTreatment } from '../../src/session/variables.js';
import { openSession } from '../backend/truth/session.js';
import { fc } from '../support/properties.js';
import { forEachServer } from '../support/servers.js';

/** What a session of one profile is, written out. */
interface State {
  readonly variables: ReadonlyMap<string, string>;
  readonly schema: string | null;
  readonly multiStatements: boolean;
}

/** A value as a server takes it out of the expression that SET is given. */
function valueFrom(expression: string): string {
  if (expression === 'NULL') return '';
  if (/^(-?\d+(\.\d+)?|DEFAULT)$/.test(expression)) return expression;
  const hex = /^CONVERT\(0x((?:[0-9a-f]{2})+) USING utf8mb4\)$/.exec(expression)?.[1];
  if (hex !== undefined) return Buffer.from(hex, 'hex').toString();
  const text = /^'([\x20-\x26\x28-\x5b\x5d-\x7e]*)'$/.exec(expression)?.[1];
  if (text === undefined) throw new Error(`not understood: ${expression}`);
  return text;
}

/** Setting one of a character set and its collation sets the other; of results only the default collation can be set so. */
function assign(variables: Map<string, string>, name: string, value: string): void {
  variables.set(name, value);
  if (name === 'character_set_results')
    variables.set('results_collation', value === '' ? '' : `${value}_default`);
  if (name === 'character_set_server') variables.set('collation_server', `${value}_default`);
  if (name === 'collation_server') variables.set('character_set_server', value.slice(0, value.indexOf('_')));
}

function setNames(variables: Map<string, string>, charset: string, collation: string): void {
  variables.set('character_set_client', charset);
  variables.set('character_set_results', charset);
  variables.set('collation_connection', collation);
  variables.set('results_collation', collation);
}

/** Runs a `SET SESSION a=…, NAMES … COLLATE …, SESSION b=…` as a server does, from left to right. */
function run(setStatement: string, variables: Map<string, string>): void {
  assert.match(setStatement, /^SET (SESSION|NAMES) /);
  // None of the values in use has one of these in it.
  for (const assignment of setStatement.slice('SET '.length).split(/, (?=SESSION |NAMES )/)) {
    const names = /^NAMES '(\w+)' COLLATE '(\w+)'$/.exec(assignment);
    if (names !== null) {
      setNames(variables, names[1] as string, names[2] as string);
    } else {
      const [, name, value] = /^SESSION (\w+)=(.*)$/s.exec(assignment) ?? [];
      assign(variables, name as string, valueFrom(value as string));
    }
  }
}

const text = fc.oneof(
  fc.constantFrom('ON', 'OFF', '', '0', '1', '28800', '10.500000', "it's", 'a\\b', 'é', '\n'),
  fc.string({ unit: 'grapheme', maxLength: 12 }).filter((value) => !/, (SESSION|NAMES) /.test(value)),
);
const FREE = ['sql_mode', 'time_zone', 'wait_timeout'];
const change = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...FREE), text) },
  fc.tuple(fc.constant('character_set_client'), fc.constantFrom('latin1', 'utf8mb4')),
  fc.tuple(fc.constant('character_set_results'), fc.constantFrom('latin1', 'utf8mb4', '')),
  fc.tuple(
    fc.constant('collation_connection'),
    fc.constantFrom('latin1_bin', 'utf8mb4_bin', 'utf8mb4_general_ci', 'binary'),
  ),
  fc.tuple(fc.constant('/names'), fc.constantFrom('latin1_bin', 'utf8mb4_bin', 'utf8mb4_default')),
  fc.tuple(fc.constant('collation_server'), fc.constantFrom('a_default', 'a_x', 'b_default', 'b_x')),
  fc.tuple(fc.constant('/schema'), fc.option(fc.constantFrom('app', 'null', 'shop'))),
  fc.tuple(fc.constant('/multi'), fc.boolean()),
);
const changes = fc.array(change, { maxLength: 8 });

function baselineVariables(values: readonly (readonly [string, string])[]): Map<string, string> {
  const variables = new Map(FREE.map((name) => [name, 'x']));
  setNames(variables, 'utf8mb4', 'utf8mb4_general_ci');
  assign(variables, 'collation_server', 'a_x');
  for (const [name, value] of values) assign(variables, name, value);
  return variables;
}

/** Carries the changes out on a profile and on what it stands for. */
function walk(
  start: SessionProfile,
  list: readonly (readonly [string, string | boolean | null])[],
): { profile: SessionProfile; state: State } {
  let profile = start;
  const variables = new Map([...start.baseline.variables, ...start.overrides]);
  let { schema, multiStatements } = start;
  for (const [what, value] of list) {
    if (what === '/schema') {
      schema = value as string | null;
      profile = profile.withSchema(schema);
    } else if (what === '/multi') {
      multiStatements = value as boolean;
      profile = profile.withMultiStatements(multiStatements);
    } else {
      const before = new Map(variables);
      const written = value as string;
      if (what === '/names') setNames(variables, written.slice(0, written.indexOf('_')), written);
      else assign(variables, what, written);
      for (const [name, now] of variables)
        if (before.get(name) !== now) profile = profile.withVariable(name, now);
    }
  }
  return { profile, state: { variables, schema, multiStatements } };
}

function stateOf(profile: SessionProfile): State {
  const variables = new Map(
    [...profile.baseline.variables.keys()].map((name) => [name, profile.variable(name) ?? '']),
  );
  return { variables, schema: profile.schema, multiStatements: profile.multiStatements };
}

const globals = fc.array(fc.tuple(fc.constantFrom('time_zone', 'sql_mode', 'wait_timeout'), text), {
  maxLength: 2,
});

t.test('a profile is what was done to it', async () => {
  fc.assert(
    fc.property(globals, changes, (values, list) => {
      const registry = new ProfileRegistry();
      const start = registry.initial(registry.baseline(baselineVariables(values)), null, false);
      const { profile, state } = walk(start, list);
      assert.deepEqual(stateOf(profile), state);
      for (const [name, value] of profile.overrides)
        assert.notEqual(value, profile.baseline.variables.get(name));
      assert.equal(profile.variable('nobody_knows_it'), undefined);
    }),
    { numRuns: 300 },
  );
});

t.test('equal content, one object: by whatever way it was reached', async () => {
  fc.assert(
    fc.property(globals, fc.array(changes, { minLength: 2, maxLength: 6 }), (values, ways) => {
      const registry = new ProfileRegistry();
      const start = registry.initial(registry.baseline(baselineVariables(values)), 'app', true);
      const byContent = new Map<string, SessionProfile>();
      const walks = ways.flatMap((list) => [walk(start, list), walk(start, [...list].reverse())]);
      for (const { profile, state } of walks) {
        const content = JSON.stringify([...[...state.variables].sort(), state.schema, state.multiStatements]);
        const known = byContent.get(content);
        if (known !== undefined) assert.equal(profile, known);
        byContent.set(content, profile);
      }
      assert.equal(
        new Set(byContent.values()).size,
        byContent.size,
        'and different content, different objects',
      );
    }),
    { numRuns: 300 },
  );
});

t.test('the difference makes the one of the other', async () => {
  fc.assert(
    fc.property(globals, globals, changes, changes, (valuesA, valuesB, listA, listB) => {
      const registry = new ProfileRegistry();
      const at = (values: typeof valuesA, schema: string | null) =>
        registry.initial(registry.baseline(baselineVariables(values)), schema, false);
      const from = walk(at(valuesA, null), listA);
      const to = walk(at(valuesB, 'app'), listB);
      const difference = from.profile.differenceTo(to.profile);
      const variables = new Map(from.state.variables);
      if (difference.setStatement !== null) run(difference.setStatement, variables);
      assert.deepEqual(variables, new Map(to.state.variables));
      // Having none cannot be restored: such sessions are kept apart.
      assert.equal(difference.schema, to.state.schema === from.state.schema ? null : to.state.schema);
      assert.equal(difference.multiStatements ?? from.state.multiStatements, to.state.multiStatements);
      assert.equal(from.profile.differenceTo(to.profile), difference, 'remembered');
    }),
    { numRuns: 500 },
  );
});

t.test('nothing is sent for nothing', async (t) => {
  const registry = new ProfileRegistry();
  const profile = registry.initial(registry.baseline(baselineVariables([])), 'app', true);
  t.strictSame(profile.differenceTo(profile), {
    setStatement: null,
    schema: null,
    multiStatements: null,
    userVariables: null,
    needsReset: false,
  });
});

t.test('sessions whose baseline is the same are at home in each other’s profiles', async (t) => {
  const registry = new ProfileRegistry();
  const one = registry.baseline(
    new Map([
      ['a', '1'],
      ['b', '2'],
    ]),
  );
  t.equal(
    registry.baseline(
      new Map([
        ['b', '2'],
        ['a', '1'],
      ]),
    ),
    one,
    'in whatever order the server listed it',
  );
  t.not(
    registry.baseline(
      new Map([
        ['a', '2'],
        ['b', '1'],
      ]),
    ),
    one,
  );
  t.equal(registry.initial(one, null, true), registry.initial(one, null, true));
  t.not(registry.initial(one, null, true), registry.initial(one, 'null', true));
});

t.test('SET NAMES where the collation of results differs, and first of all character sets', async (t) => {
  const registry = new ProfileRegistry();
  const home = registry.initial(registry.baseline(baselineVariables([])), null, false);
  const away = home.withVariable('character_set_client', 'latin1').withVariable('time_zone', '+01:00');
  const latin1 = away
    .withVariable('character_set_results', 'latin1')
    .withVariable('results_collation', 'latin1_bin')
    .withVariable('collation_connection', 'latin1_bin');
  const set = (from: SessionProfile, to: SessionProfile) => from.differenceTo(to).setStatement;
  const zone = "SET SESSION time_zone='+01:00'";
  t.equal(set(home, latin1), `${zone}, NAMES 'latin1' COLLATE 'latin1_bin'`);
  t.equal(set(home, away), `${zone}, SESSION character_set_client='latin1'`, 'the others stay');
  t.equal(set(latin1, home), "SET SESSION time_zone='x', NAMES 'utf8mb4' COLLATE 'utf8mb4_general_ci'");
  const bin = home.withVariable('collation_connection', 'utf8mb4_bin');
  t.equal(set(home, bin), "SET SESSION collation_connection='utf8mb4_bin'");
  const named = bin.withVariable('results_collation', 'utf8mb4_bin');
  t.equal(set(home, named), "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'");
  t.equal(set(bin, named), "SET NAMES 'utf8mb4' COLLATE 'utf8mb4_bin'", 'and nothing shows it but results');
  t.equal(
    set(latin1, bin),
    "SET SESSION time_zone='x', NAMES 'utf8mb4' COLLATE 'utf8mb4_general_ci', SESSION collation_connection='utf8mb4_bin'",
  );
  const none = home.withVariable('character_set_results', '').withVariable('results_collation', '');
  t.equal(set(home, none), 'SET SESSION character_set_results=NULL');
  const wide = home.withVariable('character_set_results', 'ucs2').withVariable('results_collation', 'ucs2_x');
  t.equal(set(home, wide), "SET SESSION character_set_results='ucs2'", 'SET NAMES would be refused');
  t.equal(set(home, home.withVariable('time_zone', '+01:00')), zone);
});

t.test('character sets come last, the collation of the connection after them', async (t) => {
  const registry = new ProfileRegistry();
  const names = [
    'wait_timeout',
    'collation_connection',
    'character_set_results',
    'sql_mode',
    'collation_server',
    'character_set_client',
    'zzz',
  ];
  const home = registry.initial(registry.baseline(new Map(names.map((name) => [name, 'old']))), null, false);
  const away = names.reduce((profile, name) => profile.withVariable(name, `new ${name}`), home);
  const order = [...(home.differenceTo(away).setStatement ?? '').matchAll(/SESSION (\w+)=/g)].map(
    ([, name]) => name,
  );
  t.strictSame(order, [
    'sql_mode',
    'wait_timeout',
    'zzz',
    'character_set_client',
    'character_set_results',
    'collation_server',
    'collation_connection',
  ]);
});

t.test('values as SET takes them', async (t) => {
  const cases: readonly (readonly [value: string, written: string])[] = [
    ['0', '0'],
    ['-1', '-1'],
    ['18446744073709551615', '18446744073709551615'],
    ['10.000000', '10.000000'],
    ['', "''"],
    ['ON', "'ON'"],
    ['1e5', "'1e5'"],
    ['1.', "'1.'"],
    ['.5', "'.5'"],
    ['--1', "'--1'"],
    ['+01:00', "'+01:00'"],
    ['1 OR 1', "'1 OR 1'"],
    ['1\n', 'CONVERT(0x310a USING utf8mb4)'],
    ["it's", 'CONVERT(0x69742773 USING utf8mb4)'],
    ['a\\', 'CONVERT(0x615c USING utf8mb4)'],
    ['\0', 'CONVERT(0x00 USING utf8mb4)'],
    ['é', 'CONVERT(0xc3a9 USING utf8mb4)'],
    ['"`#--', `'"\`#--'`],
  ];
  for (const [value, written] of cases) t.equal(literal(value), written, JSON.stringify(value));
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (value) => valueFrom(literal(value)) === value));
});

t.test('values that a variable takes in a way of its own', async (t) => {
  const written = (name: string, value: string): string | null => {
    const registry = new ProfileRegistry();
    const to = registry.initial(registry.baseline(new Map([[name, value]])), null, false);
    return to.withVariable(name, 'something else').differenceTo(to).setStatement;
  };
  t.equal(written('character_set_results', ''), 'SET SESSION character_set_results=NULL');
  t.equal(written('enforce_storage_engine', ''), 'SET SESSION enforce_storage_engine=NULL');
  t.equal(written('sql_mode', ''), "SET SESSION sql_mode=''");
  t.equal(written('default_master_connection', '1'), "SET SESSION default_master_connection='1'");
  t.equal(written('system_versioning_asof', 'DEFAULT'), 'SET SESSION system_versioning_asof=DEFAULT');
  t.equal(written('sql_mode', 'DEFAULT'), "SET SESSION sql_mode='DEFAULT'");
});

t.test('what is bound into a statement at prepare makes its parse key, and nothing else', async (t) => {
  const registry = new ProfileRegistry();
  const profile = registry.initial(registry.baseline(baselineVariables([])), 'app', false);
  const other = [
    profile.withSchema('shop'),
    profile.withSchema(null),
    profile.withSchema('null'),
    profile.withVariable('sql_mode', 'ANSI_QUOTES'),
    profile.withVariable('character_set_client', 'latin1'),
    profile.withVariable('collation_connection', 'latin1_bin'),
  ];
  t.equal(new Set([profile, ...other].map(({ parseKey }) => parseKey)).size, 7);
  for (const same of [profile.withVariable('time_zone', 'y'), profile.withMultiStatements(true)])
    t.equal(same.parseKey, profile.parseKey);
});

t.test(
  'a client that sets ever new values gets the right profile all the same, and fills no memory',
  async (t) => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const registry = new ProfileRegistry();
    const home = registry.initial(registry.baseline(baselineVariables([])), null, false);
    for (let i = 0; i < 2_000; i++) {
      const away = home.withVariable('time_zone', `zone ${i}`);
      assert.equal(away.variable('time_zone'), `zone ${i}`);
      assert.equal(home.differenceTo(away).setStatement, `SET SESSION time_zone='zone ${i}'`);
      assert.equal(away.withVariable('time_zone', 'x'), home);
    }
    for (let i = 0; i < 100 && registry.size > 200; i++) {
      collectGarbage();
      await nextTurn();
    }
    t.ok(registry.size <= 200, `${registry.size} profiles are left`);
  },
);

t.test(
  'what clients that have gone had made of their profiles is forgotten, in whatever order they did',
  async (t) => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const userVariable = (i: number) => ({ literal: String(i), over: null, environment: null });
    type Change = (profile: SessionProfile, i: number) => SessionProfile;
    const ways: Record<string, readonly Change[]> = {
      'user variables': ['a', 'b', 'c'].map(
        (name): Change =>
          (profile, i) =>
            profile.withUserVariable(name, userVariable(i)),
      ),
      'system variables': FREE.map(
        (name): Change =>
          (profile, i) =>
            profile.withVariable(name, `${i}`),
      ),
    };
    for (const [name, [first, second, third]] of Object.entries(ways)) {
      if (!first || !second || !third) throw new Error('three changes');
      const registry = new ProfileRegistry();
      const home = registry.initial(registry.baseline(baselineVariables([])), 'app', false);
      const fill = (): void => {
        for (let i = 0; i < 4_000; i++) {
          const profile = third(
            second(first(home, 1 + (i % 20)), 1 + (Math.floor(i / 20) % 20)),
            Math.floor(i / 400),
          );
          home.differenceTo(profile);
          profile.differenceTo(home);
        }
      };
      fill();
      for (let i = 0; i < 100 && registry.size > 100; i++) {
        collectGarbage();
        await nextTurn();
      }
      t.ok(registry.size <= 100, `${name}: ${registry.size} profiles are left`);
      t.equal(registry.initial(home.baseline, 'app', false), home, 'those that are used stay');
    }
  },
);

/** Refused by every server of this version, whoever asks: so they never differ either. */
const NEVER_SET: Record<'mariadb' | 'mysql', readonly string[]> = {
  mariadb: ['wsrep_gtid_seq_no'],
  mysql: [],
};

await forEachServer(t, async (t, server) => {
  await t.test('each value a session shows is taken back from the difference', async (t) => {
    const { username, password } = new URL(server.rootUrl);
    const session = await openSession(t, server, { user: username, password: decodeURIComponent(password) });
    const shown: [string, string][] = [];
    for (const [name, value] of (await session.must('SHOW SESSION VARIABLES')).rows) {
      if (!name || treatmentOf(name) !== VariableTreatment.Carry || isTrackerVariable(name)) continue;
      if ((await session.query(`SELECT @@session.${name}`)).err === null) shown.push([name, value ?? '']);
    }
    t.ok(shown.length > 100, `${shown.length} variables of a session`);
    const registry = new ProfileRegistry();
    const home = registry.initial(registry.baseline(new Map(shown)), null, false);
    const refused: string[] = [];
    for (const [name, value] of shown) {
      const away = home.withVariable(name, `${value}?`);
      const set = await session.query(away.differenceTo(home).setStatement ?? '');
      if (set.err !== null) refused.push(name);
    }
    t.strictSame(refused, NEVER_SET[server.flavor]);
    const after = new Map(
      (await session.must('SHOW SESSION VARIABLES')).rows.map(([name, value]) => [name, value ?? '']),
    );
    t.strictSame(
      shown.map(([name]) => [name, after.get(name)]),
      shown,
    );
  });

  await t.test('odd values arrive as they are', async (t) => {
    const session = await openSession(t, server);
    for (const mode of ['', 'NO_BACKSLASH_ESCAPES', 'ANSI_QUOTES']) {
      for (const charset of ['utf8mb4', 'latin1', 'sjis', 'gbk']) {
        await session.must(`SET sql_mode='${mode}', NAMES ${charset}`);
        for (const value of ["it's", 'a\\', '\\', "'\\'", 'é', '表', '"', '12', '-0.5', 'a\nb']) {
          const hex = await session.value(`SELECT HEX(CONVERT(${literal(value)} USING utf8mb4))`);
          t.equal(Buffer.from(hex ?? '', 'hex').toString(), value, `${value} in ${charset} ${mode}`);
        }
      }
    }
  });
});
