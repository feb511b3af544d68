import type { Cell } from './cells.js';
import { NATIVE, SHA2 } from './client-kinds.js';
import type { Outcome, Via } from './login-client.js';

/*
 * What each login must come to, told from the protocol and from what the configuration promises, not from what was seen. The
 * first rule that fits counts; a rule that fits no cell at all is a mistake, too.
 */

export interface Rule {
  readonly name: string;
  readonly fits: (cell: Cell) => boolean;
  /** One of these. */
  readonly means: (cell: Cell) => readonly Outcome[];
}

const refused = (errno: number, sqlState: string, text: string): readonly Outcome[] => [
  { kind: 'refused', errno, sqlState, text },
];

const tooOld = () =>
  refused(
    1251,
    '08004',
    'Client does not support authentication protocol requested by server; consider upgrading MySQL client',
  );

/** MySQL's own words, with what the client has sent at last: a password, or none. */
function denied({ attempt, host }: Cell, usingPassword = attempt.password !== ''): readonly Outcome[] {
  const using = usingPassword ? 'YES' : 'NO';
  const text = `Access denied for user '${attempt.source.user}'@'${host}' (using password: ${using})`;
  return refused(1045, '28000', text);
}

/** The method that servers of a kind begin with. */
const announced = ({ flavor }: Cell): string => (flavor === 'mariadb' ? NATIVE : SHA2);

/** The method that a user is asked for: the client's own if it will do, else the announced one, else what there is. */
function methodFor(cell: Cell, methods: readonly string[]): string {
  const wanted = [cell.kind.method, announced(cell)].find((method) => methods.includes(method));
  return wanted ?? (methods[0] as string);
}

const canFollow = (cell: Cell, methods: readonly string[]): boolean => {
  const method = methodFor(cell, methods);
  return method === cell.kind.method || cell.kind.knows.includes(method);
};

/** Nobody else can read the connection. */
const isGuarded = ({ tls, transport }: Cell): boolean => tls.options !== null || transport !== 'network';

/** How the password goes over when it is asked for. */
function fullVia({ kind, tls, transport }: Cell): Via {
  if (kind.sends === 'rsa') return 'RSA';
  if (kind.sends === 'clear') return 'clear';
  return tls.options !== null || transport === 'unix' ? 'clear' : 'RSA';
}

function viaOf(cell: Cell): Via {
  const { methods, needsPassword } = cell.attempt.source;
  if (cell.attempt.password === '') return 'nothing';
  if (methodFor(cell, methods ?? []) !== SHA2) return 'proof';
  return needsPassword === 'never' ? 'fast' : fullVia(cell);
}

/** What the server has taken from somebody else a moment ago is taken from this client, too. */
const remembered = ({ attempt }: Cell): readonly Outcome[] =>
  attempt.source.asksServer === true && attempt.isRight && attempt.password !== ''
    ? [{ kind: 'in', as: attempt.source.account, via: 'fast' }]
    : [];

const isOld = ({ kind }: Cell): boolean =>
  kind.protocol === '4.0' || kind.protocol === '4.1 with the old hash';

export const RULES: readonly Rule[] = [
  {
    name: 'TLS is not offered',
    fits: ({ mode, tls }) => mode === 'disable' && tls.options !== null,
    means: () => [{ kind: 'no TLS' }],
  },
  {
    name: 'TLS is required, but over a unix socket',
    fits: ({ mode, tls, transport }) =>
      (mode === 'require' || mode === 'verify') && tls.options === null && transport !== 'unix',
    means: () =>
      refused(
        3159,
        'HY000',
        'Connections using insecure transport are prohibited while --require_secure_transport=ON.',
      ),
  },
  {
    name: 'a certificate is required over TCP',
    fits: (cell) =>
      cell.mode === 'verify' &&
      cell.transport !== 'unix' &&
      cell.tls.options !== null &&
      !cell.tls.certified &&
      !isOld(cell),
    means: (cell) => denied(cell),
  },
  { name: "MySQL 4.0's protocol and hash", fits: isOld, means: tooOld },
  {
    name: 'an unknown user, or from elsewhere, as a client that knows few methods: any user may need another',
    fits: ({ attempt, kind }) => attempt.source.methods === null && kind.knows.length < 2,
    means: (cell) => [
      ...denied(cell),
      ...(cell.kind.protocol === '4.1'
        ? tooOld()
        : [NATIVE, SHA2].map((asked) => ({ kind: 'gave up', asked }) as const)),
    ],
  },
  {
    name: 'an unknown user, or from elsewhere: as with a wrong password',
    fits: ({ attempt }) => attempt.source.methods === null,
    means: (cell) => denied(cell),
  },
  {
    name: 'a client before methods had names, for a user who needs another one',
    fits: ({ attempt, kind }) =>
      kind.protocol === '4.1' &&
      // A proof for the server needs the server's scramble, which such a client cannot be sent.
      (attempt.source.asksServer === true || attempt.source.methods?.includes(NATIVE) === false),
    means: tooOld,
  },
  {
    name: 'a client that does not know the method',
    fits: (cell) => !canFollow(cell, cell.attempt.source.methods ?? []),
    means: (cell) => [{ kind: 'gave up', asked: methodFor(cell, cell.attempt.source.methods ?? []) }],
  },
  {
    name: 'a password in clear where others could read it',
    fits: (cell) =>
      cell.attempt.password !== '' &&
      viaOf(cell) === 'clear' &&
      cell.kind.sends === 'clear' &&
      !isGuarded(cell),
    means: (cell) => [...denied(cell), ...remembered(cell)],
  },
  {
    name: 'a wrong password, or none',
    fits: ({ attempt }) => !attempt.isRight,
    means: (cell) => denied(cell),
  },
  {
    name: 'a schema that the user may not choose',
    fits: ({ attempt }) => attempt.schemaForbidden === true,
    // The servers name the account here, not where the client is.
    means: ({ attempt }) =>
      refused(
        1044,
        '42000',
        `Access denied for user '${attempt.source.user}'@'%' to database '${attempt.schema}'`,
      ),
  },
  {
    name: 'the right password',
    fits: ({ attempt }) => attempt.isRight,
    means: (cell) => [{ kind: 'in', as: cell.attempt.source.account, via: viaOf(cell) }, ...remembered(cell)],
  },
];

export function ruleFor(cell: Cell): Rule {
  const rule = RULES.find(({ fits }) => fits(cell));
  if (rule === undefined) throw new Error(`no rule for ${JSON.stringify(cell)}`);
  return rule;
}
