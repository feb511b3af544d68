import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { eventually } from '../support/proxied.js';
import { type ProxiedUser, proxiedUser } from '../support/proxied-user.js';
import { CLASSIC, commandPayload, loginOf, MODERN, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';

const MIB = 1 << 20;
/** By how much the proxy may grow, whatever passes through it. */
const ALLOWED_GROWTH = 64 * MIB;
/** What is read from clients is garbage when it was passed on, and collected now and then. */
const ALLOWED_GARBAGE = 128 * MIB;
const ROWS = 1_000;

/** Resident memory of a process in bytes; null where the system does not tell. */
async function residentSize(pid: number): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  const match = /^VmRSS:\s+(\d+) kB/m.exec(status);
  return match === null ? null : Number(match[1]) * 1024;
}

/** The proxy's largest size while something goes on. */
class Watch {
  largest = 0;
  readonly #timer: NodeJS.Timeout;
  readonly #pid: number;

  constructor(pid: number) {
    this.#pid = pid;
    this.#timer = setInterval(() => void this.look(), 20);
  }

  async look(): Promise<void> {
    this.largest = Math.max(this.largest, (await residentSize(this.#pid)) ?? 0);
  }

  async end(): Promise<number> {
    clearInterval(this.#timer);
    await this.look();
    return this.largest;
  }
}

function selectRows(rows: number, size: number): string {
  return `WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i+1 FROM n WHERE i < ${rows}) SELECT i, REPEAT(CHAR(65 + i % 26), ${size}) FROM n`;
}

/** Reads a result of `rows` rows as slowly as `pause` says; gives the number of those that are as they should be. */
async function readRows(
  client: RawClient,
  size: number,
  pause: (row: number) => Promise<void> | void,
): Promise<number> {
  // Column count, two definitions, and EOF where there is one.
  for (let i = 0; i < (client.deprecateEof ? 3 : 4); i++) await client.expect();
  let good = 0;
  for (let row = 1; ; row++) {
    await pause(row);
    const { payload } = await client.expect();
    if (payload[0] === 0xfe || payload[0] === 0xff) return payload[0] === 0xfe ? good : -1;
    const digits = payload[0] as number;
    const letter = 65 + (row % 26);
    const text = payload.subarray(1 + digits + 4);
    const isGood =
      payload.toString('latin1', 1, 1 + digits) === String(row) &&
      text.length === size &&
      text[0] === letter &&
      text[size >> 1] === letter &&
      text[size - 1] === letter;
    if (isGood) good++;
  }
}

await forEachServer(
  t,
  async (t, server) => {
    const world = await proxiedUser(t, server, ['--pool-size', '3', '--query-wait-timeout', '60s']);
    await t.test('memory stays flat while 1 GiB goes to a slow reader', (t) => slowReader(t, world));
    await t.test('a client that stops reading holds nobody up', (t) => stuckReader(t, world));
    await t.test('memory stays flat while 600 MiB come in', (t) => slowServer(t, world));
  },
  { timeout: 240_000 },
);

async function slowReader(t: Test, world: ProxiedUser): Promise<void> {
  if ((await residentSize(world.proxy.pid)) === null) {
    t.comment('this system does not tell how large a process is');
    return;
  }
  const client = await RawClient.login(loginOf(world.proxy.url, { capabilities: MODERN }));
  // What a process needs to work at all is not what this is about.
  client.send(commandPayload(Command.Query, selectRows(100, MIB)));
  t.equal(await readRows(client, MIB, () => {}), 100);
  const before = (await residentSize(world.proxy.pid)) ?? 0;
  const watch = new Watch(world.proxy.pid);
  client.send(commandPayload(Command.Query, selectRows(ROWS, MIB)));
  const good = await readRows(client, MIB, async (row) => {
    if (row <= 20) await delay(20);
    if (row === 21) await delay(500);
  });
  const largest = await watch.end();
  t.equal(good, ROWS, 'every row is there and whole');
  t.ok(largest - before < ALLOWED_GROWTH, `grew by ${Math.round((largest - before) / MIB)} MiB`);
  client.destroy();
}

async function stuckReader(t: Test, world: ProxiedUser): Promise<void> {
  const before = (await residentSize(world.proxy.pid)) ?? 0;
  const stuck = await Promise.all(
    [CLASSIC, MODERN].map((capabilities) => RawClient.login(loginOf(world.proxy.url, { capabilities }))),
  );
  for (const client of stuck) client.send(commandPayload(Command.Query, selectRows(ROWS, MIB / 4)));
  await eventually('the server waits for them', async () => {
    const sessions = await world.sessions();
    return sessions.filter(({ state }) => /net|client|writ|send/i.test(state ?? '')).length >= 2;
  });
  const others = await Promise.all(Array.from({ length: 4 }, () => world.connect()));
  for (let i = 0; i < 50; i++) {
    const values = await Promise.all(others.map((client, j) => client.value(`SELECT ${i} + ${j}`)));
    if (values.some((value, j) => value !== i + j)) t.fail(`wrong: ${values.join()}`);
  }
  const largest = (await residentSize(world.proxy.pid)) ?? 0;
  t.ok(largest - before < ALLOWED_GROWTH, 'and the proxy does not gather what they leave');
  const [first, second] = stuck as [RawClient, RawClient];
  t.equal(await readRows(first, MIB / 4, () => {}), ROWS, 'when it reads again, all is there');
  // Who never reads again, and goes: the statement ends.
  second.destroy();
  await eventually(
    'its session is free',
    async () => (await world.proxy.metric('mybouncer_server_sessions', 'state="active"')) === 0,
  );
  for (const client of others) await client.end();
  first.destroy();
}

async function slowServer(t: Test, world: ProxiedUser): Promise<void> {
  const client = await world.connect();
  await client.run('CREATE TABLE gate(v INT) ENGINE=InnoDB');
  const raw = await RawClient.login(loginOf(world.proxy.url));
  const before = (await residentSize(world.proxy.pid)) ?? 0;
  const watch = new Watch(world.proxy.pid);
  // Statements of 30 MiB each; the server takes its time with every one.
  const statement = commandPayload(Command.Query, `DO LENGTH('${'s'.repeat(30 * MIB)}'), SLEEP(0.02)`);
  for (let i = 0; i < 20; i++) raw.send(statement);
  for (let i = 0; i < 20; i++) t.equal((await raw.reply('results'))[0]?.payload[0], 0);
  const largest = await watch.end();
  t.ok(largest - before < ALLOWED_GARBAGE, `grew by ${Math.round((largest - before) / MIB)} MiB`);
  raw.destroy();
  await client.end();
}
