import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext } from 'playwright-core';
import t, { type Test } from 'tap';
import { number } from '../../../src/admin/page/client/format.js';
import { type Status, statusSchema } from '../../../src/admin/status-document.js';
import { type Client, eventually, Proxied } from '../../support/proxied.js';
import { startProxy } from '../../support/proxy.js';
import type { TestServer } from '../../support/server-handle.js';
import { forEachServer } from '../../support/servers.js';
import { ask } from '../support/ask.js';
import { TOO_FAINT, UNNAMED, Watched, withChromium } from './chromium.js';

/** What must be text wherever it is shown. */
const EVIL = '<script>alert(1)</script>';

await forEachServer(
  t,
  async (t, server) => {
    await withChromium(t, 'the page', async (t, browser) => {
      const world = await evilWorld(t, server);
      const watched = await Watched.open(browser, world.proxy.http);
      await t.test('idle', (t) => idle(t, world, watched));
      await t.test('hidden, it asks for nothing', (t) => hidden(t, world, browser));
      await t.test('statements and fleet', (t) => statementsAndFleet(t, world, browser));
      await t.test('a server that refuses', (t) => trouble(t, world, watched));
      await t.test('under load', (t) => underLoad(t, world, watched));
      await t.test('narrow and wide, light and dark', (t) => looks(t, watched));
      await t.test('as the proxy goes', (t) => goes(t, world, watched));
    });
  },
  { flavors: ['mariadb'], timeout: 240_000 },
);

/** A proxy of two sessions with a user of an unkind name. */
async function evilWorld(t: Test, server: TestServer): Promise<Proxied> {
  const schema = await server.createDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-page-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'mybouncer.yaml');
  const login = new URL(server.url());
  await writeFile(
    file,
    [
      'users:',
      `  - name: ${JSON.stringify(EVIL)}`,
      '    password: evil',
      `    server_user: ${login.username}`,
      `    server_password: ${login.password}`,
      '  - name: unwelcome',
      '    password: here',
      `    server_user: ${login.username}_unknown`,
      '    server_password: there',
      '',
    ].join('\n'),
  );
  const flags = ['--config', file, '--pool-size', '2', '--query-wait-timeout', '60s'];
  return new Proxied(t, server, await startProxy(t, { upstream: server.url(schema), flags }), schema);
}

async function statusOf({ proxy }: Proxied): Promise<Status> {
  return statusSchema.parse(JSON.parse((await ask(`${proxy.http}/status`)).body));
}

async function idle(t: Test, world: Proxied, watched: Watched): Promise<void> {
  const status = await statusOf(world);
  t.equal(await watched.text('#state'), 'serving');
  t.match(
    await watched.text('#about'),
    `${status.listen[0]} → ${status.server.address} (${status.server.version})`,
  );
  t.equal(await watched.page.title(), 'MyBouncer');
  t.equal(await watched.page.locator('#notice').isVisible(), false);
  t.equal(await watched.tile('clients'), '0');
  t.equal(await watched.tile('sessions'), '0 of 2');
  t.equal(await watched.note('waiting'), 'nobody waits');
  t.equal(await watched.note('wait'), 'nobody had to wait');
  for (const [id, text] of [
    ['waiters', 'Nobody waits for a server session.'],
    ['reasons', 'No client keeps a server session.'],
    ['pools', 'No client has needed a server session yet.'],
    ['queries', 'No statement has been counted yet.'],
  ])
    t.equal(await watched.text(`#${id} .none`), text);
  for (const id of ['holds', 'workers', 'fleet'])
    t.equal(await watched.page.locator(`#${id}`).isVisible(), false, `${id} is left out`);
  const ids = await watched.value<string[]>(
    '[...document.querySelectorAll("#charts figure")].map((one) => one.id)',
  );
  t.equal(ids.length, 6);
  t.equal(await watched.painted('wait', 'blue'), 0, 'nothing where there is nothing');
  t.equal(await watched.text('#chart-wait .empty'), 'nobody had to wait');
  t.same(watched.complaints, []);
}

/** A page for whose clock time passes when the test says so. */
async function hidden(t: Test, { proxy }: Proxied, browser: BrowserContext): Promise<void> {
  const watched = new Watched(await browser.newPage(), proxy.http);
  const { page } = watched;
  await page.clock.install();
  await watched.load(proxy.http);
  const polls = (): number => watched.asked.filter((path) => path === '/status').length;
  const show = (yes: boolean): Promise<unknown> =>
    watched.value(`{
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => ${!yes} });
      document.dispatchEvent(new Event('visibilitychange'));
    }`);
  await eventually('it polls', async () => {
    await page.clock.runFor(2_000);
    return polls() >= 3;
  });
  await show(false);
  // One that was under way is answered first.
  await page.waitForLoadState('networkidle');
  const before = polls();
  await page.clock.runFor(60_000);
  t.equal(polls(), before);
  await show(true);
  await eventually('it goes on', () => polls() > before);
  t.same(watched.complaints, []);
  await page.close();
}

/** With an answer that says more than this proxy's. */
async function statementsAndFleet(t: Test, world: Proxied, browser: BrowserContext): Promise<void> {
  const status: Status = {
    ...(await statusOf(world)),
    topQueries: [
      {
        id: '0123456789abcdef',
        text: `SELECT * FROM \`${EVIL}\` WHERE id = ?`,
        count: 12_345,
        errors: 1,
        p50Ms: 0.42,
        p95Ms: 4.2,
        p99Ms: 42,
        serverMs: 61_000,
        waitMs: 1_500,
        rows: 99,
        bytes: 2_048,
        holds: 3,
      },
    ],
    fleet: { members: 3, share: 40, limit: 39, maxConnections: 151 },
    workers: [{ worker: 2, pid: 4_242, clients: 1_234, sessions: 5, uptimeSeconds: 61 }],
    workersTotal: 2,
  };
  const watched = new Watched(await browser.newPage(), world.proxy.http);
  const json = statusSchema.parse(status);
  await watched.page.route('**/status', (route) => route.fulfill({ json }));
  await watched.load(world.proxy.http);
  t.same(await watched.rows('queries'), [
    [
      `SELECT * FROM \`${EVIL}\` WHERE id = ?`,
      '1 min 1 s',
      '12,345',
      '0.42 ms',
      '4.2 ms',
      '42 ms',
      '1.5 s',
      '99',
      '2 KiB',
      '1',
      '3',
    ],
  ]);
  t.same(await watched.rows('fleet'), [['3', '40', '39', '151']]);
  t.same(await watched.rows('workers'), [['2', '1,234', '5', '1 min 1 s', '4242']]);
  t.match(await watched.text('#notice'), /^Only 1 of 2 processes answer/);
  t.same(watched.complaints, []);
  await watched.page.close();
}

async function trouble(t: Test, world: Proxied, watched: Watched): Promise<void> {
  t.equal((await statusOf(world)).trouble, null);
  const refused = await world
    .connect({ user: 'unwelcome', password: 'here' })
    .then((client) => client.error('SELECT 1'))
    .catch((error: unknown) => error);
  t.match(refused, { errno: 1045 });
  t.match((await statusOf(world)).trouble, { error: /Access denied/ });
  await eventually('the page says so', async () => /Access denied/.test(await watched.text('#notice')));
  t.match(
    await watched.text('#notice'),
    /^No server session can be opened for \w+_unknown\/\S+, since \d+ s: /,
  );
}

async function underLoad(t: Test, world: Proxied, watched: Watched): Promise<void> {
  const clients: Client[] = [];
  const open = async (options = {}): Promise<Client> => {
    const client = await world.connect(options);
    clients.push(client);
    return client;
  };
  const evil = { user: EVIL, password: 'evil', connectAttributes: { program_name: EVIL } };
  const [holder, second, waiter] = [await open(evil), await open(), await open(evil)];
  await open();
  await holder.run(`CREATE TEMPORARY TABLE \`${EVIL}\`(v INT)`);
  for (let i = 0; i < 50; i++) await second.value('SELECT 1');
  await second.run('BEGIN');
  const waits = waiter.value('SELECT 1');
  await eventually('the page has seen it', async () => (await watched.tile('waiting')) === '1');
  const status = await statusOf(world);
  t.match(status.clients, { total: 4, waiting: 1, held: 2, idle: 1 });
  t.equal(await watched.tile('clients'), number(status.clients.total));
  t.equal(await watched.note('clients'), '0 active · 2 held · 1 idle');
  t.equal(await watched.tile('sessions'), '2 of 2');
  t.match(await watched.note('waiting'), /^the longest for \d/);
  t.match(await watched.rows('waiters'), [[EVIL, / m?s$/, `127.0.0.1 · ${EVIL}`, String(waiter.id)]]);
  t.same(await watched.rows('reasons'), [
    ['temporary table', '1'],
    ['transaction', '1'],
  ]);
  t.match(await watched.rows('holds'), [
    ['temporary table', / s$/, String(holder.id), EVIL, status.holds[0]?.statement],
    ['transaction', / s$/, String(second.id), 'app', 'BEGIN'],
  ]);
  t.match(status.holds[0]?.statement, EVIL);
  t.match(
    await watched.rows('pools'),
    status.pools.map(({ name, lent, held, idle, waiting }) => [
      name,
      `${lent}`,
      `${held}`,
      `${idle}`,
      '0',
      '0',
      `${waiting}`,
    ]),
  );
  t.equal(await watched.value('document.scripts.length'), 2, 'none but its own');
  await second.run('COMMIT');
  t.equal(await waits, 1);
  await eventually('rates of the last seconds', async () => {
    const { history } = await statusOf(world);
    return [history.queriesPerSecond, history.waitP99].every((column) =>
      column.some((one) => one !== null && one > 0),
    );
  });
  await eventually('the page shows the same ones', async () => {
    const { rates } = await statusOf(world);
    const legend = await watched.text('#chart-queries .legend b >> nth=0');
    const shown = number(rates.queriesPerSecond);
    return (await watched.tile('queries')) === shown && legend === shown;
  });
  for (const [chart, colour] of [
    ['queries', 'blue'],
    ['sessions', 'grey'],
    ['work', 'amber'],
    ['clients', 'blue'],
    // The median is painted over the others.
    ['wait', 'blue'],
  ] as const)
    await eventually(`${chart} is drawn`, async () => (await watched.painted(chart, colour)) > 0);
  t.match(
    await watched.page.locator('#chart-queries .plot').getAttribute('aria-label'),
    /^Queries per second over /,
  );
  t.same(watched.complaints, []);
  // The holder stays, for what comes next.
  for (const client of clients.filter((one) => one !== holder)) await client.end();
}

async function looks(t: Test, watched: Watched): Promise<void> {
  const { page } = watched;
  const backs = new Set<string>();
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [360, 820, 1280]) {
      await page.setViewportSize({ width, height: 740 });
      const wide = await watched.value<number>('document.documentElement.scrollWidth');
      t.ok(wide <= width, `${colorScheme} ${width}: ${wide}`);
      const torn = `[...document.querySelectorAll('#holds td, #holds tbody th, #summary dd')]
        .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML.slice(0, 80))`;
      t.same(await watched.value(torn), [], `${colorScheme} ${width}: nothing lies over something else`);
      const beyond = `[...document.querySelectorAll('h1, h2, figure, canvas, #summary > div, #holds tr > *')]
        .filter((one) => one.getBoundingClientRect().right > ${width}).map((one) => one.outerHTML.slice(0, 80))`;
      await eventually(
        'charts have their new size',
        async () => (await watched.value<string[]>(beyond)).length === 0,
      );
    }
    backs.add(await watched.value<string>('getComputedStyle(document.body).backgroundColor'));
    await eventually(
      `${colorScheme}: charts are drawn`,
      async () => (await watched.painted('queries', 'blue')) > 0,
    );
  }
  t.equal(backs.size, 2);
  t.same(await watched.value(TOO_FAINT), [], 'contrast of text');
  await page.emulateMedia({ colorScheme: 'light' });
  t.same(await watched.value(TOO_FAINT), [], 'contrast of text');
  t.same(await watched.value(UNNAMED), [], 'headings of tables');
  t.same(watched.complaints, []);
}

async function goes(t: Test, { proxy }: Proxied, watched: Watched): Promise<void> {
  proxy.signal('SIGTERM');
  await eventually('it says so', async () => (await watched.text('#state')) === 'draining');
  t.match(
    await watched.text('#notice'),
    /^The proxy is stopping: clients \(1 now\) are served until they have finished\./,
  );
  t.same(watched.complaints, []);
  // A second one stops at once.
  proxy.signal('SIGTERM');
  await proxy.ended();
  await eventually('nobody answers', async () => (await watched.text('#state')) === 'no answer');
  t.match(
    await watched.text('#notice'),
    /^The proxy was stopping, and answers no longer\. What is shown is of /,
  );
  t.match(await watched.page.title(), 'MyBouncer: no answer');
  t.equal(await watched.tile('clients'), '1', 'what was last seen is still there');
}
