import t from 'tap';
import {
  carriedUserVariable,
  MAX_USER_VARIABLE_BYTES,
  MAX_USER_VARIABLES,
  type UserVariable,
  userVariableStatements,
} from '../../src/session/user-variables.js';
import { HOME } from './support/statements.js';

const ENVIRONMENT = ['', 'latin1', 'latin1_bin'];
const NONE: ReadonlyMap<string, UserVariable> = new Map();

function carried(name: string, literal: string, before = NONE): UserVariable | null {
  return carriedUserVariable(before, name, literal, ENVIRONMENT);
}

t.test('only text literals depend on how they are read', async (t) => {
  for (const literal of ['1', '-1.5', '1e3', 'NULL', 'TRUE', "x'41'", "B'01'", '0x41']) {
    t.equal(carried('a', literal)?.environment, null, literal);
  }
  for (const literal of ["'a'", '"a"', "_utf8mb4'a'", "N'a'", "_latin1 x'41'", 'n\xe9']) {
    t.equal(carried('a', literal)?.environment, ENVIRONMENT, literal);
  }
});

t.test('names that may be the same to the server as others are not carried', async (t) => {
  for (const name of ['é', 'a b', '', 'A', 'a`', 'x'.repeat(65)]) t.equal(carried(name, '1'), null, name);
  for (const name of ['a', 'a_1$.b', '1']) t.not(carried(name, '1'), null, name);
});

t.test('NULL has the type of the value before', async (t) => {
  const before = new Map<string, UserVariable>();
  const set = (literal: string): UserVariable => {
    const variable = carried('a', literal, before);
    if (variable === null) throw new Error(literal);
    before.set('a', variable);
    return variable;
  };
  t.strictSame(set('NULL'), { literal: 'NULL', over: null, environment: null });
  set("'x'");
  t.strictSame(set('null'), { literal: 'null', over: "'x'", environment: ENVIRONMENT });
  t.strictSame(set('NULL'), { literal: 'NULL', over: "'x'", environment: ENVIRONMENT });
});

t.test('neither too many nor too long ones', async (t) => {
  const full = new Map(
    Array.from({ length: MAX_USER_VARIABLES }, (_, i): [string, UserVariable] => [
      `v${i}`,
      { literal: '1', over: null, environment: null },
    ]),
  );
  t.equal(carried('more', '1', full), null);
  t.not(carried('v1', '2', full), null, 'another value of one that is there');
  const long = new Map([
    ['long', { literal: 'x'.repeat(MAX_USER_VARIABLE_BYTES - 10), over: null, environment: null }],
  ]);
  t.equal(carried('a', '123456', long), null);
  t.not(carried('a', '12345', long), null);
});

t.test('they are set again in the environment of each', async (t) => {
  const variable = (literal: string, over: string | null, environment: string[] | null): UserVariable => ({
    literal,
    over,
    environment,
  });
  const variables = new Map([
    ['a', variable('1', null, null)],
    ['b', variable('NULL', '5', null)],
    ['c', variable("'x'", null, ENVIRONMENT)],
    ['d', variable("'y'", null, [...ENVIRONMENT])],
  ]);
  t.strictSame(userVariableStatements(variables), [
    { environment: null, assignments: ['SET @`a`=1, @`b`=5', 'SET @`b`=NULL'] },
    { environment: ENVIRONMENT, assignments: ["SET @`c`='x', @`d`='y'"] },
  ]);
});

t.test('profiles with equal variables are one, and only a reset takes a variable away', async (t) => {
  const one = { literal: '1', over: null, environment: null };
  const profile = HOME.withUserVariable('a', one);
  t.equal(HOME.withUserVariable('a', { ...one }), profile);
  t.equal(profile.withUserVariable('a', null), HOME);
  t.equal(HOME.withUserVariable('a', null), HOME);
  t.not(profile.withUserVariable('a', { ...one, literal: '2' }), profile);
  t.strictSame([...(HOME.differenceTo(profile).userVariables ?? [])], [['a', one]]);
  t.notOk(HOME.differenceTo(profile).needsReset);
  t.ok(profile.differenceTo(HOME).needsReset);
  const two = profile.withUserVariable('b', one);
  t.notOk(profile.differenceTo(two).needsReset);
  t.strictSame([...(profile.differenceTo(two).userVariables?.keys() ?? [])], ['b']);
  const unset = HOME.withUserVariable('a', { ...one, literal: 'NULL' });
  t.ok(profile.differenceTo(unset).needsReset, 'NULL that never was anything else');
});
