import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../oracle/random.js';
import { CommandError, type Commands } from './commands.js';
import type { Findings } from './findings.js';
import type { Journal } from './journal.js';

/** Rows of `items`, whose values are known; of `accounts`, whose sum is. */
export const ITEMS = 500;
export const ACCOUNTS = 40;
export const BALANCE = 1000;
const VALUE_OF_ID = 7;
const LOCKS = 4;
const PAD = 'x'.repeat(200);
const ZONES = ['+00:00', '+03:00', '-05:30', '+11:45'];

/** One client: what it does next, and what it must see. */
export interface Worker {
  readonly number: number;
  readonly random: Random;
  readonly journal: Journal;
  readonly findings: Findings;
}

/** What a client has set on its connection and must find there for as long as it lives; null: it does not know. */
export interface Expected {
  variable: string | null;
  zone: string | null;
}

export interface Operation {
  readonly name: string;
  readonly weight: number;
  run(worker: Worker, client: Commands, expected: Expected): Promise<void>;
}

function check(worker: Worker, what: string, found: unknown, wanted: unknown): void {
  worker.findings.count('checks');
  if (String(found) === String(wanted)) return;
  worker.findings.violated(
    `client ${worker.number}, ${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`,
  );
}

function item(worker: Worker): number {
  return 1 + worker.random.below(ITEMS);
}

async function readText(worker: Worker, client: Commands): Promise<void> {
  const token = worker.journal.token(worker.number);
  const id = item(worker);
  const rows = await client.rows(`SELECT '${token}' AS token, v FROM items WHERE id=${id}`);
  check(worker, 'a row', JSON.stringify(rows), JSON.stringify([{ token, v: id * VALUE_OF_ID }]));
}

async function readPrepared(worker: Worker, client: Commands): Promise<void> {
  const token = worker.journal.token(worker.number);
  const id = item(worker);
  const rows = await client.execute('SELECT ? AS token, v FROM items WHERE id=?', [token, id]);
  check(worker, 'a row, prepared', JSON.stringify(rows), JSON.stringify([{ token, v: id * VALUE_OF_ID }]));
}

async function readMany(worker: Worker, client: Commands): Promise<void> {
  const [from, count] = [item(worker), worker.random.below(300)];
  const sql = `SELECT id, v, '${PAD}' AS pad FROM items WHERE id >= ${from} ORDER BY id LIMIT ${count}`;
  const rows = await client.rows(sql);
  check(worker, 'number of rows', rows.length, Math.min(count, ITEMS - from + 1));
  const wrong = rows.find(
    ({ id, v, pad }, i) => id !== from + i || v !== VALUE_OF_ID * (from + i) || pad !== PAD,
  );
  if (wrong !== undefined) check(worker, 'a row of many', wrong, 'its own values');
}

async function insert(worker: Worker, client: Commands, prepared: boolean): Promise<void> {
  const token = worker.journal.token(worker.number);
  const entry = worker.journal.begin(token, 1);
  entry.fate = 'unknown';
  try {
    if (prepared) await client.execute('INSERT INTO facts (token) VALUES (?)', [token]);
    else await client.run(`INSERT INTO facts (token) VALUES ('${token}')`);
    entry.fate = 'stored';
  } catch (error) {
    if (error instanceof CommandError && error.surelyNot) entry.fate = 'absent';
    throw error;
  }
}

async function insertId(worker: Worker, client: Commands): Promise<void> {
  const token = worker.journal.token(worker.number);
  const entry = worker.journal.begin(token, 1);
  entry.fate = 'unknown';
  const { insertId: id } = await client.run(`INSERT INTO facts (token) VALUES ('${token}')`);
  entry.fate = 'stored';
  if (worker.random.chance(0.5)) await sleep(worker.random.below(20));
  check(worker, 'LAST_INSERT_ID()', await client.value('SELECT LAST_INSERT_ID()'), id);
}

/** Two rows and two balances, or none; it ends in any way there is. */
async function transaction(worker: Worker, client: Commands): Promise<void> {
  const { random, journal } = worker;
  const token = journal.token(worker.number);
  const entry = journal.begin(token, 2);
  const amount = random.below(10);
  const [from, to] = [1 + random.below(ACCOUNTS), 1 + random.below(ACCOUNTS)];
  const pause = async (): Promise<void> => {
    if (random.chance(0.2)) await sleep(random.below(30));
  };
  try {
    await client.run(random.pick(['BEGIN', 'START TRANSACTION']));
    await client.run(`INSERT INTO facts (token) VALUES ('${token}')`);
    await pause();
    await client.execute('UPDATE accounts SET balance = balance - ? WHERE id = ?', [amount, from]);
    await client.run(`UPDATE accounts SET balance = balance + ${amount} WHERE id = ${to}`);
    await pause();
    await client.execute('INSERT INTO facts (token) VALUES (?)', [token]);
    check(worker, 'own rows', await client.value(`SELECT COUNT(*) FROM facts WHERE token='${token}'`), 2);
    if (random.chance(0.1)) {
      client.destroy();
      return;
    }
    if (random.chance(0.2)) {
      await client.run('ROLLBACK');
      return;
    }
    entry.fate = 'unknown';
    if (random.chance(0.05)) {
      await client.abandon('COMMIT', random.below(3));
      return;
    }
    await client.run('COMMIT');
    entry.fate = 'stored';
  } catch (error) {
    // What the app does, too: it must not go on as if the transaction were still there.
    if (error instanceof CommandError && error.usable) {
      if (entry.fate === 'unknown' && error.surelyNot) entry.fate = 'absent';
      await client.run('ROLLBACK');
    }
    throw error;
  }
}

async function userVariable(worker: Worker, client: Commands, expected: Expected): Promise<void> {
  if (expected.variable !== null)
    check(worker, 'user variable', await client.value('SELECT @soak'), expected.variable);
  expected.variable = null;
  const token = worker.journal.token(worker.number);
  await client.run(`SET @soak = '${token}'`);
  expected.variable = token;
}

async function sessionVariable(worker: Worker, client: Commands, expected: Expected): Promise<void> {
  if (expected.zone !== null)
    check(worker, 'time_zone', await client.value('SELECT @@time_zone'), expected.zone);
  expected.zone = null;
  const zone = worker.random.pick(ZONES);
  await client.run(`SET time_zone = '${zone}'`);
  expected.zone = zone;
}

async function userLock(worker: Worker, client: Commands): Promise<void> {
  const name = `soak_${worker.random.below(LOCKS)}`;
  if (Number(await client.value(`SELECT GET_LOCK('${name}', 0.5)`)) !== 1) return;
  const from = performance.now();
  await sleep(worker.random.below(40));
  if (worker.random.chance(0.1)) {
    client.destroy();
    return;
  }
  const to = performance.now();
  const released = await client.value(`SELECT RELEASE_LOCK('${name}')`);
  if (Number(released) === 1) worker.journal.locked(name, `client ${worker.number}`, from, to);
  else check(worker, `RELEASE_LOCK of ${name}, held on the same session`, released, 1);
}

async function temporaryTable(worker: Worker, client: Commands): Promise<void> {
  const token = worker.journal.token(worker.number);
  await client.run('CREATE TEMPORARY TABLE own (token VARCHAR(40))');
  await client.run(`INSERT INTO own VALUES ('${token}')`);
  check(worker, 'temporary table', await client.value('SELECT token FROM own'), token);
  if (worker.random.chance(0.1)) {
    client.destroy();
    return;
  }
  await client.run('DROP TEMPORARY TABLE own');
}

async function leaveInTheMidst(worker: Worker, client: Commands): Promise<void> {
  const { random, journal } = worker;
  const token = journal.token(worker.number);
  const insertion = `INSERT INTO facts (token) VALUES ('${token}')`;
  const sql = random.pick([
    'SELECT SLEEP(0.4)',
    insertion,
    `INSERT INTO facts (token) SELECT '${token}' FROM (SELECT SLEEP(0.2)) AS nap`,
    `SELECT a.v, '${PAD}' FROM items a, items b LIMIT 20000`,
    `UPDATE accounts SET balance = balance + 0 * SLEEP(0.1) WHERE id < 4`,
  ]);
  if (sql.startsWith('INSERT')) journal.begin(token, 1).fate = 'unknown';
  await client.abandon(sql, random.below(random.chance(0.5) ? 5 : 200));
}

/** Every kind of thing that clients do, and how often. */
export const OPERATIONS: readonly Operation[] = [
  { name: 'read', weight: 10, run: readText },
  { name: 'prepared read', weight: 10, run: readPrepared },
  { name: 'read of many rows', weight: 4, run: readMany },
  { name: 'insert', weight: 20, run: (worker, client) => insert(worker, client, false) },
  { name: 'prepared insert', weight: 20, run: (worker, client) => insert(worker, client, true) },
  { name: 'insert id', weight: 3, run: insertId },
  { name: 'transaction', weight: 8, run: transaction },
  { name: 'user variable', weight: 5, run: userVariable },
  { name: 'session variable', weight: 5, run: sessionVariable },
  { name: 'user lock', weight: 4, run: userLock },
  { name: 'temporary table', weight: 2, run: temporaryTable },
  { name: 'leave in the midst', weight: 2, run: leaveInTheMidst },
  {
    name: 'sleep',
    weight: 2,
    run: async (worker, client) => {
      const seconds = (worker.random.below(30) / 100).toFixed(2);
      const slept = await client.value(`SELECT SLEEP(${seconds})`);
      // So MySQL answers when it shuts down meanwhile.
      if (Number(slept) === 1) worker.findings.count('sleep cut short');
      else check(worker, 'SLEEP', slept, 0);
    },
  },
  {
    name: 'connection id',
    weight: 2,
    run: async (worker, client) => {
      check(worker, 'CONNECTION_ID()', await client.value('SELECT CONNECTION_ID()'), client.id);
    },
  },
  { name: 'pause', weight: 8, run: (worker) => sleep(worker.random.below(60)) },
];
