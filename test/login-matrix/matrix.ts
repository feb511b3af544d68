import { isDeepStrictEqual } from 'node:util';
import type { Test } from 'tap';
import type { Flavor } from '../support/servers.js';
import type { Attempt, Cell, TlsRow, TransportName } from './cells.js';
import { type ClientKind, KINDS } from './client-kinds.js';
import { LoginClient, type Outcome } from './login-client.js';
import { RULES, type Rule, ruleFor } from './rules.js';
import { FRESH, FRESH_USERS, networkAddress, type Station } from './world.js';

export interface Result {
  readonly cell: Cell;
  readonly rule: Rule;
  readonly outcome: Outcome;
  readonly expected: readonly Outcome[];
  readonly isRight: boolean;
}

/** Logins at a time. */
const WORKERS = 8;

const isOld = ({ protocol }: ClientKind): boolean =>
  protocol === '4.0' || protocol === '4.1 with the old hash';

/** The product of everything, but for what cannot be: MySQL 4.0 has neither TLS nor COM_CHANGE_USER with a method. */
export function cellsOf(
  flavor: Flavor,
  station: Station,
  transports: readonly TransportName[],
  tlsRows: readonly TlsRow[],
  byChange: boolean,
): Cell[] {
  const cells: Cell[] = [];
  for (const attempt of station.attempts) {
    for (const kind of KINDS) {
      for (const transport of transports) {
        for (const tls of tlsRows) {
          if (isOld(kind) && (tls.options !== null || byChange)) continue;
          const host = hostOf(transport, cells.length);
          cells.push({ flavor, mode: station.mode, kind, tls, transport, attempt, host, byChange });
        }
      }
    }
  }
  return cells;
}

/** All of 127.0.0.0/8 is this machine: each client has an address of its own. */
function hostOf(transport: TransportName, index: number): string {
  switch (transport) {
    case 'unix':
      return 'localhost';
    case 'network':
      return networkAddress() ?? '';
    case 'loopback':
      return `127.9.${(index >> 8) & 0xff}.${index & 0xff}`;
  }
}

/** Names of users who have not logged in yet. */
export class FreshNames {
  #next = 0;

  take(): string {
    if (this.#next === FRESH_USERS) throw new RangeError('no fresh user is left');
    return `fresh_${this.#next++}`;
  }
}

function withName(cell: Cell, names: FreshNames): Cell {
  const { source } = cell.attempt;
  if (source.user !== FRESH) return cell;
  // Only a password that is right is remembered.
  const user = cell.attempt.isRight ? names.take() : 'fresh_0';
  return { ...cell, attempt: { ...cell.attempt, source: { ...source, user } } };
}

function logIn({ attempt, kind, tls, transport, host }: Cell, station: Station): Promise<Outcome> {
  const where = station.where(transport, host);
  const { password, schema, source } = attempt;
  return LoginClient.run({ where, kind, user: source.user, password, schema, tls: tls.options });
}

/** As the station's first user, who is right; then as the one of the cell. */
async function change(cell: Cell, station: Station): Promise<Outcome> {
  const { kind, tls, transport, attempt } = cell;
  const [first] = station.attempts as [Attempt];
  const client = await LoginClient.open({
    where: station.where(transport, cell.host),
    kind,
    user: first.source.user,
    password: first.password,
    schema: null,
    tls: tls.options,
  });
  try {
    const outcome = await client.change(kind, attempt.source.user, attempt.password, attempt.schema);
    if (outcome.kind !== 'refused') return outcome;
    const { account } = first.source;
    // As the servers have it: MariaDB leaves the client who it was, MySQL ends it; so does the proxy for a schema.
    if (cell.flavor === 'mysql' || outcome.errno === 1044) {
      await client.ended();
      return outcome;
    }
    const name = await client.name();
    return name === account ? outcome : { ...outcome, text: `${outcome.text}, and is ${name}` };
  } finally {
    client.destroy();
  }
}

async function tryCell(plan: Cell, station: Station, names: FreshNames): Promise<Result> {
  const cell = withName(plan, names);
  const rule = ruleFor(cell);
  const expected = rule.means(cell);
  let outcome: Outcome;
  try {
    outcome = await (cell.byChange ? change(cell, station) : logIn(cell, station));
  } catch (error) {
    outcome = { kind: 'refused', errno: 0, sqlState: '', text: String(error) };
  }
  const isRight = expected.some((one) => isDeepStrictEqual(one, outcome));
  return { cell: plan, rule, outcome, expected, isRight };
}

export async function runCells(
  cells: readonly Cell[],
  station: Station,
  names: FreshNames,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const waiting = cells.entries();
  const worker = async (): Promise<void> => {
    // All workers take from the same iterator.
    for (const [index, cell] of waiting) results[index] = await tryCell(cell, station, names);
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
  return results;
}

const MOST_SHOWN = 20;

/** Asserts what came out, a rule at a time. */
export function judge(t: Test, results: readonly Result[]): void {
  for (const rule of RULES) {
    const ours = results.filter((result) => result.rule === rule);
    if (ours.length === 0) continue;
    const wrong = ours.filter(({ isRight }) => !isRight);
    t.equal(wrong.length, 0, `${rule.name}: ${ours.length} cells`);
    for (const { cell, outcome, expected } of wrong.slice(0, MOST_SHOWN)) {
      t.comment(
        `${describe(cell)}\n  came:     ${JSON.stringify(outcome)}\n  expected: ${JSON.stringify(expected)}`,
      );
    }
  }
}

function describe({ flavor, mode, kind, tls, transport, attempt, byChange }: Cell): string {
  const how = byChange ? 'COM_CHANGE_USER' : 'login';
  return `${flavor}, tls_mode ${mode}: ${how} of ${attempt.source.name} (${attempt.name}) as ${kind.name} over ${transport}, ${tls.name}`;
}
