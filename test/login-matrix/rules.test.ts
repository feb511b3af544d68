import t from 'tap';
import type { Attempt, Cell, Source, TlsRow } from './cells.js';
import { KINDS, NATIVE, SHA2 } from './client-kinds.js';
import { RULES, ruleFor } from './rules.js';

/* The rules themselves: each decides something, and there is one for everything. */

const source = (methods: readonly string[] | null, isEmpty = false): Source => ({
  name: 'a source',
  user: 'u',
  methods,
  isEmpty,
  needsPassword: methods?.includes(NATIVE) === false ? 'at first' : 'never',
  account: 'u',
});

function* attempts(): Generator<Attempt> {
  for (const methods of [null, [SHA2], [NATIVE], [SHA2, NATIVE]]) {
    for (const password of ['', 'x']) {
      for (const isRight of [false, true]) {
        const attempt = {
          source: source(methods, password === ''),
          name: '',
          password,
          isRight,
          schema: 'app',
        };
        yield attempt;
        yield { ...attempt, schemaForbidden: true };
      }
    }
  }
}

const TLS: readonly TlsRow[] = [
  { name: 'none', options: null, certified: false },
  { name: 'some', options: {}, certified: false },
  { name: 'with a certificate', options: {}, certified: true },
];

function* cells(): Generator<Cell> {
  for (const attempt of attempts())
    for (const kind of KINDS)
      for (const tls of TLS)
        for (const transport of ['loopback', 'network', 'unix'] as const)
          for (const mode of ['disable', 'allow', 'require', 'verify'] as const)
            for (const flavor of ['mariadb', 'mysql'] as const)
              yield { flavor, mode, kind, tls, transport, attempt, host: 'here', byChange: false };
}

t.test('there is a rule for every cell, and a cell for every rule', async (t) => {
  const used = new Map(RULES.map((rule) => [rule, 0]));
  for (const cell of cells()) {
    const rule = ruleFor(cell);
    used.set(rule, (used.get(rule) ?? 0) + 1);
    if (rule.means(cell).length === 0) t.fail(`${rule.name} means nothing`);
  }
  for (const [rule, count] of used) t.ok(count > 0, `${rule.name}: ${count}`);
});
