import type { Kind, Operation, Parameter } from '../model.js';
import type { Random } from '../random.js';
import { BINARY, custom } from './kind.js';
import { alike, NAMES, values } from './parameters.js';

/** What all clients prepare alike, so that they may share a session's statement. */
const SHARED = [
  'SELECT ? AS x, ? AS y',
  'SELECT b FROM common WHERE a = ?',
  'SELECT CONCAT(?, ?) AS c',
  'SELECT "b" FROM common ORDER BY a',
];

/** Not two parameters of which one meets a column: MySQL takes the types of both from the values of the first execute. */
const SAME = ['SELECT ? AS x, ? AS y', 'SELECT a, b FROM t3 WHERE a = ?', 'SELECT CONCAT(?, ?) AS c'];

/**
 * Clients that prepare one text at a time and execute it again and again, as a connector does which sends types only with the
 * first execute and after new ones were bound. Without types the values must be of those of the last time.
 */
function sharedStatement(name: string, second: typeof alike): Kind {
  const user = (random: Random, text: string): Operation[] => {
    const statement = random.pick(NAMES);
    const first = values(random);
    const next = second(random, first);
    return [
      { do: 'init_db', schema: '{shared}' },
      { do: 'prepare', name: statement, sql: text },
      { do: 'execute', name: statement, values: first },
      { do: 'execute', name: statement, values: first, withoutTypes: true },
      { do: 'execute', name: statement, values: alike(random, first), withoutTypes: true },
      { do: 'execute', name: statement, values: next },
      { do: 'execute', name: statement, values: alike(random, next), withoutTypes: true },
      { do: 'init_db', schema: '{db}' },
    ];
  };
  return custom(`ps.${name}`, (random) => user(random, random.pick(SHARED)), {
    styles: BINARY,
    weight: 5,
    meanwhile: (random, own) => user(random, own.find((one) => one.do === 'prepare')?.sql ?? ''),
  });
}

/** Numbers in the other size: `INT` for `BIGINT`, which a server takes for the same. */
function resized(values: readonly Parameter[]): Parameter[] {
  return values.map((value) => {
    if (typeof value === 'number') return BigInt(value);
    return typeof value === 'bigint' ? Number(value) : value;
  });
}

/** One text under several names, as parts of a program prepare it, each with parameters of its own types. */
function sameText(random: Random): Operation[] {
  const text = random.pick(SAME);
  const ones: Parameter[] = [random.pick([1, 2, 3, 2n, 3n]), ...values(random)];
  const parts = [ones, resized(ones), values(random)].map((given, i) => ({ name: NAMES[i] ?? '', given }));
  const again = ({ name, given }: (typeof parts)[number]): Operation => {
    return { do: 'execute', name, values: alike(random, given), withoutTypes: true };
  };
  return [
    ...parts.map(({ name }): Operation => ({ do: 'prepare', name, sql: text })),
    ...parts.map(({ name, given }): Operation => ({ do: 'execute', name, values: given })),
    ...parts.map(again),
    ...parts.map(again),
  ];
}

/** Kinds in which one statement of a session serves several of its clients'. */
export const SHARED_STATEMENT_KINDS: readonly Kind[] = [
  custom('ps.same-text', sameText, { styles: BINARY, weight: 6 }),
  sharedStatement('shared', alike),
  sharedStatement('shared-types-change', values),
];
