import t from 'tap';
import { LoginBudget } from '../../src/frontend/login-budget.js';
import { parseGreeting } from '../protocol/support/client-side.js';
import { eventually } from '../support/proxied.js';
import { startHarness } from './support/harness.js';
import { loginPayload, RawClient } from './support/raw-client.js';

/** Logs in; null when it is turned away. */
async function logIn(port: number): Promise<RawClient | null> {
  const client = new RawClient({ port });
  const first = await client.expect();
  if (first.payload[0] === 0xff) return null;
  client.send(loginPayload(parseGreeting(first.payload), 'app', 'secret'), 1);
  return (await client.expect()).payload[0] === 0x00 ? client : null;
}

t.test('clients that say nothing cannot keep others out', async (t) => {
  const { port, frontend, log } = await startHarness(t, { maxClients: 4 });
  const working = await logIn(port);
  if (working === null) throw new Error('nobody was there before');
  const silent = [0, 1, 2].map(() => new RawClient({ port }));
  await Promise.all(silent.map((client) => client.greeting()));
  t.equal(frontend.counts.clients, 4);
  let turnedAway = 0;
  let late: RawClient | null = null;
  await eventually('somebody gets in', async () => {
    late = await logIn(port);
    if (late === null) turnedAway++;
    return late !== null;
  });
  t.equal(frontend.counts.clients, 4, 'in the place of another');
  t.equal(frontend.counts.logins.gave_way, 1);
  t.equal(frontend.counts.turnedAway, turnedAway, 'those before it were turned away');
  const [oldest] = silent;
  t.equal(
    await oldest?.err(),
    '1040 08004 Too many connections: 4 clients are connected and max_client_conn is 4; this login was the oldest unfinished one',
  );
  await oldest?.ended();
  const lines = log.filter(({ message }) => /an unfinished login gave its place/.test(message));
  t.equal(lines.length, 1);
  t.match(lines[0], { level: 'warn', fields: { limit: 4, more: 0 } });
  // COM_PING: who is logged in is not touched, however full it is.
  for (let left = 3; left > 0; left--) {
    await logIn(port);
    working.send(Buffer.of(0x0e), 0);
    t.equal((await working.expect()).payload[0], 0x00);
  }
});

t.test('beginnings of long logins share one budget', async (t) => {
  const { port, frontend } = await startHarness(t, { maxClients: 2_000 });
  // Each announces 60 kB and sends most of it: together more than may be kept.
  const header = Buffer.of(0x60, 0xea, 0, 1);
  const clients: RawClient[] = [];
  for (let sent = 0; sent < 34 << 20; sent += 59_000) {
    const client = new RawClient({ port });
    clients.push(client);
    client.socket.write(Buffer.concat([header, Buffer.alloc(59_000)]));
    if (clients.length % 50 === 0) await client.greeting();
  }
  await eventually('some are refused', () => frontend.counts.logins.broken > 0);
  t.ok(frontend.counts.loggingIn * 59_000 <= 33 << 20, 'the others are within the budget');
  const last = clients.at(-1);
  await last?.greeting();
  t.match(
    await last?.err(),
    /^1040 08004 Too many connections: logins under way have sent \d+ bytes, this one \d+$/,
  );
  const ordinary = await logIn(port);
  t.not(ordinary, null, 'an ordinary login gets through');
  for (const client of clients) client.socket.destroy();
  await eventually('all have gone', () => frontend.counts.loggingIn === 0);
});

t.test('what has ended is not counted', async (t) => {
  const budget = new LoginBudget(10);
  budget.change(11);
  t.equal(budget.exhausted, true);
  budget.change(-1);
  t.equal(budget.exhausted, false);
  t.equal(budget.held, 10);
});
