import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionOptions } from 'mysql2/promise';
import { Random } from '../oracle/random.js';
import { CommandError, Commands } from '../soak/commands.js';
import { Findings } from '../soak/findings.js';
import { Weather } from '../soak/weather.js';
import { openWorld, type World } from '../soak/world.js';
import { eventually } from '../support/proxied.js';
import type { PrivateTestServer } from '../support/servers.js';

export interface NeverMixOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly clients: number;
  readonly onProgress?: (text: string) => void;
}

export interface NeverMixResult {
  readonly findings: Findings;
  /** A few lines for people. */
  readonly report: string;
}

const PROGRESS_EVERY_MS = 15_000;
/** Of one connection, at most. */
const MOST_STEPS = 30;
/** Without faults, in the end: everybody is served again. */
const CALM_MS = 1500;
const BIG = 20_000;

/** One client: every text that it stores begins with its own mark, and so does every text that it may ever see. */
interface Marked {
  readonly number: number;
  readonly mark: string;
  readonly random: Random;
  readonly findings: Findings;
  serial: number;
}

type Step = (own: Marked, client: Commands) => Promise<void>;

function check(own: Marked, what: string, values: readonly unknown[]): void {
  own.findings.count('checks');
  for (const value of values) {
    if (typeof value === 'string' && value.startsWith(own.mark)) continue;
    own.findings.violated(`client ${own.number}, ${what}: ${JSON.stringify(value)?.slice(0, 100)}`);
  }
}

function newTag(own: Marked): string {
  return `${own.mark}${++own.serial}`;
}

const READ = 'SELECT tag FROM tagged WHERE owner = ? ORDER BY id DESC LIMIT 5';

const STEPS: Readonly<Record<string, Step>> = {
  text: async (own, client) => {
    const tag = newTag(own);
    await client.run(`INSERT INTO tagged (owner, tag) VALUES (${own.number}, '${tag}')`);
    const rows = await client.rows(`SELECT tag, '${tag}' AS said FROM tagged WHERE owner = ${own.number}`);
    check(
      own,
      'text',
      rows.flatMap(({ tag, said }) => [tag, said]),
    );
  },
  prepared: async (own, client) => {
    await client.execute('INSERT INTO tagged (owner, tag) VALUES (?, ?)', [own.number, newTag(own)]);
    const rows = await client.execute(READ, [own.number]);
    check(
      own,
      'prepared',
      rows.map(({ tag }) => tag),
    );
  },
  echo: async (own, client) => {
    const [row] = await client.execute("SELECT CONCAT(?, '') AS said", [newTag(own)]);
    check(own, 'echo', [row?.['said']]);
  },
  transaction: async (own, client) => {
    const tag = newTag(own);
    await client.run('BEGIN');
    await client.run(`INSERT INTO tagged (owner, tag) VALUES (${own.number}, '${tag}')`);
    if (own.random.chance(0.3)) await sleep(own.random.below(5));
    const rows = await client.execute(READ, [own.number]);
    check(
      own,
      'transaction',
      rows.map((row) => row['tag']),
    );
    if (rows[0]?.['tag'] !== tag)
      own.findings.violated(`client ${own.number} does not see its own row ${tag}`);
    await client.run(own.random.pick(['COMMIT', 'ROLLBACK']));
  },
  variable: async (own, client) => {
    await client.run(`SET @mine = '${newTag(own)}'`);
    if (own.random.chance(0.3)) await sleep(own.random.below(5));
    check(own, 'variable', [await client.value('SELECT @mine')]);
  },
  temporary: async (own, client) => {
    await client.run(`CREATE TEMPORARY TABLE own_tags SELECT '${newTag(own)}' AS tag`);
    check(own, 'temporary table', [await client.value('SELECT tag FROM own_tags')]);
    await client.run('DROP TEMPORARY TABLE own_tags');
  },
  several: async (own, client) => {
    const [first, second] = [newTag(own), newTag(own)];
    const results = await client.rows(`SELECT '${first}' AS tag; DO 1; SELECT '${second}' AS tag`);
    check(
      own,
      'several',
      results.flatMap((result) => (Array.isArray(result) ? result.map(({ tag }) => tag) : [])),
    );
  },
  big: async (own, client) => {
    const rows = await client.rows(
      `SELECT REPEAT('${own.mark}', ${BIG}) AS big, '${newTag(own)}' AS tag FROM items LIMIT 5`,
    );
    check(
      own,
      'big',
      rows.flatMap(({ big, tag }) => [tag, ...big.match(/.{10}/g)]),
    );
    if (rows.some(({ big }) => big !== own.mark.repeat(BIG)))
      own.findings.violated(`client ${own.number}: a big row is not its own`);
  },
  abandoned: async (own, client) => {
    await client.abandon(
      `SELECT '${newTag(own)}', SLEEP(0.01), REPEAT('${own.mark}', ${BIG})`,
      own.random.below(15),
    );
  },
};

async function work(own: Marked, login: ConnectionOptions, over: () => boolean): Promise<void> {
  while (!over()) {
    let client: Commands | null = null;
    try {
      client = await Commands.open({ ...login, multipleStatements: true }, own.findings);
      own.findings.count('connections');
      for (let left = 1 + own.random.below(MOST_STEPS); left > 0 && !over() && !client.gone; left--) {
        const [name, step] = own.random.pick(Object.entries(STEPS));
        await step(own, client);
        own.findings.count(`done ${name}`);
      }
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      await sleep(10 + own.random.below(50));
    } finally {
      client?.destroy();
    }
  }
}

/** Many clients, each with its own mark, over a few sessions, with faults on both sides of the proxy. */
export async function neverMix(server: PrivateTestServer, options: NeverMixOptions): Promise<NeverMixResult> {
  const findings = new Findings();
  const unhandled = (error: unknown): void =>
    findings.violated(`unhandled: ${error instanceof Error ? error.stack : String(error)}`);
  process.on('unhandledRejection', unhandled).on('uncaughtException', unhandled);
  const world = await openWorld(server);
  try {
    await mix(world, findings, options);
  } finally {
    await world.close();
    process.off('unhandledRejection', unhandled).off('uncaughtException', unhandled);
  }
  return { findings, report: summary(findings) };
}

async function mix(world: World, findings: Findings, options: NeverMixOptions): Promise<void> {
  const { server, schema, front, back } = world;
  await server.query(
    `CREATE TABLE ${schema}.tagged (id INT AUTO_INCREMENT PRIMARY KEY, owner INT NOT NULL, tag VARCHAR(40) NOT NULL, KEY (owner))`,
  );
  const random = new Random(options.seed);
  const never = 1e9;
  const weather = new Weather({ random, findings, front, back, server, restartEveryMs: never });
  let over = false;
  const working = Array.from({ length: options.clients }, (_, number) => {
    // Ten characters.
    const mark = `<${String(number).padStart(6, '0')}>, `;
    const own = { number, mark, random: new Random(random.below(2 ** 31)), findings, serial: 0 };
    return work(own, own.random.pick(world.logins), () => over);
  });
  const all = Promise.all(working);
  // Thrown below; until then it must not count as unhandled.
  all.catch(() => {});
  weather.start();
  const until = Date.now() + options.seconds * 1000;
  for (let told = Date.now(); Date.now() < until; ) {
    await sleep(Math.min(200, until - Date.now()));
    if (Date.now() - told < PROGRESS_EVERY_MS) continue;
    told = Date.now();
    options.onProgress?.(
      `${findings.seconds.toFixed(0)} s: ${findings.counted('checks')} answers checked, ${findings.violations.length} violations`,
    );
  }
  await weather.clear();
  await sleep(CALM_MS);
  over = true;
  await all;
  await eventually('the pools are at rest', () => {
    const { active, waiting, retiring, dialing, held } = world.app.poolCounts();
    return active + waiting + retiring + dialing + held === 0;
  }).catch((error: unknown) => findings.violated(String(error)));
  const rows = await server.query<{ owner: number; tag: string }>(
    `SELECT owner, tag FROM ${schema}.tagged WHERE tag NOT LIKE CONCAT('<', LPAD(owner, 6, '0'), '>, %')`,
  );
  for (const { owner, tag } of rows) findings.violated(`${tag} was stored by ${owner}`);
}

function summary(findings: Findings): string {
  return [
    `${findings.counted('connections')} connections, ${findings.counted('commands')} commands, ${findings.counted('checks')} answers checked`,
    `done: ${findings.countsOf('done ')}`,
    `faults: ${findings.countsOf('fault ')}`,
    `errors: ${findings.countsOf('error ')}`,
    ...(findings.failed ? [findings.report()] : []),
  ].join('\n');
}
