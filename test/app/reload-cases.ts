/** What shows that a new value of a reloadable key takes effect. */
import { connect as connectTcp } from 'node:net';
import type { Test } from 'tap';
import { Gate } from '../support/gate.js';
import { type Client, eventually } from '../support/proxied.js';
import { errorOf, type Keys, type Reloading } from './reloading.js';

interface Case {
  readonly keys: Keys;
  /** Before the new values. @returns what is to be done after them */
  prepare?(world: Reloading, t: Test): Promise<(t: Test) => Promise<void>>;
  /** With the new values. */
  after?(world: Reloading, t: Test, console: Client): Promise<void>;
}

export const CLIENT_CASES: Readonly<Record<string, Case>> = {
  'time limits of a client that is there': {
    keys: { query_timeout: '1s', client_idle_timeout: '2s' },
    prepare: async (world) => {
      const [slow, idle] = [await world.connect(), await world.connect()];
      const sleeps = errorOf(slow.value('SELECT SLEEP(60)'));
      return async (t) => {
        t.match(await sleeps, { errno: 1317, message: /query_timeout/ });
        await eventually(
          'it is closed',
          async () => (await world.proxy.metric('mybouncer_time_limits_total', 'client_idle_timeout')) > 0,
        );
        t.not(await errorOf(idle.connection.ping()), 'no error');
      };
    },
  },
  'time of a transaction': {
    keys: { transaction_timeout: '1s' },
    prepare: async (world) => {
      const client = await world.connect();
      await client.run('BEGIN');
      return (t) => rolledBack(t, world, client, 'transaction_timeout');
    },
  },
  'time of an idle transaction': {
    keys: { idle_transaction_timeout: '1s' },
    prepare: async (world) => {
      const client = await world.connect();
      await client.run('BEGIN');
      return (t) => rolledBack(t, world, client, 'idle_transaction_timeout');
    },
  },
  'places for clients': {
    keys: { max_client_conn: '1' },
    after: async (world, t) => {
      t.match(await errorOf(world.connect()), { errno: 1040, message: /max_client_conn is 1/ });
    },
  },
  'time of a login': {
    keys: { client_login_timeout: '300ms' },
    after: async (world, t) => {
      const socket = connectTcp(world.proxy.port, world.proxy.host);
      let said = '';
      socket.on('data', (chunk) => {
        said += chunk.toString('latin1');
      });
      await new Promise((resolve) => socket.on('close', resolve));
      t.match(said, 'client_login_timeout');
    },
  },
  'failed logins': {
    keys: { failed_login_limit: '1' },
    after: async (world, t) => {
      const began = performance.now();
      for (let i = 0; i < 4; i++)
        t.match(await errorOf(world.connect({ password: 'wrong' })), { errno: 1045 });
      // 250, 500 and 1000 ms, of which nothing is left out.
      t.ok(performance.now() - began > 1_500);
    },
  },
  'what is a slow statement': {
    keys: { slow_query_threshold: '100ms' },
    after: async (world) => {
      const client = await world.connect();
      await client.value('SELECT SLEEP(0.2)');
      await world.proxy.logged('slow query');
    },
  },
  'the largest command': {
    keys: { max_packet_size: '2MiB' },
    after: async (world, t) => {
      const client = await world.connect();
      const long = errorOf(client.run(`DO '${'x'.repeat(3 << 20)}'`));
      t.match(await long, { errno: 1153, message: /2097152 bytes/ });
    },
  },
  admins: {
    keys: { admin_users: '[operator, second]' },
    prepare: async (world) => {
      return async (t) => {
        const console = await world.admin({ user: 'second', password: 'x' });
        t.equal(await console.value('SELECT DATABASE()'), 'mybouncer');
        await console.end();
      };
    },
  },
};

export const POOL_CASES: Readonly<Record<string, Case>> = {
  'the mode of the pool': {
    keys: { pool_mode: 'session' },
    after: async (world, t, console) => {
      const client = await world.connect();
      await client.value('SELECT 1');
      t.match(
        (await console.rows('SHOW CLIENTS')).map(({ id, holds }) => [id, holds]),
        [[client.id, 'session_mode']],
      );
      await client.end();
    },
  },
  'the size of the pool': {
    keys: { pool_size: '1' },
    prepare: async (world) => {
      const [one, other] = [await world.connect(), await world.connect()];
      await one.value('SELECT SLEEP(0)');
      await one.run('BEGIN');
      await one.value('SELECT 1');
      await other.run('BEGIN');
      await other.value('SELECT 1');
      return async (t) => {
        t.equal(await world.proxy.metric('mybouncer_pool_size'), 1);
        t.equal(await one.value('SELECT 1'), 1, 'what is lent stays');
        await one.run('COMMIT');
        await eventually(
          'one is left',
          async () => (await world.proxy.metric('mybouncer_server_sessions', 'state="active"')) === 1,
        );
        t.equal(await other.value('SELECT 1'), 1);
        await other.run('COMMIT');
        t.equal(await one.value('SELECT 1'), 1);
      };
    },
  },
  'sessions that are kept': {
    keys: { min_pool_size: '3', server_lifetime: '1s' },
    after: async ({ proxy }, t) => {
      t.equal(await proxy.settled(3, 'mybouncer_server_sessions', 'state="idle"'), 3);
      await eventually(
        'they have grown old',
        async () => (await proxy.metric('mybouncer_server_sessions_closed_total', 'reason="lifetime"')) > 0,
      );
    },
  },
  'idle sessions': {
    keys: { server_idle_timeout: '1s' },
    prepare: async (world, t) => {
      const client = await world.connect();
      t.equal(await client.value('SELECT 1'), 1);
      await client.end();
      return async () => {
        await eventually(
          'one is closed',
          async () =>
            (await world.proxy.metric('mybouncer_server_sessions_closed_total', 'reason="idle_timeout"')) > 0,
        );
      };
    },
  },
  'waiting for a session': {
    keys: { pool_size: '1', max_waiting: '1', query_wait_timeout: '2s' },
    after: async (world, t) => {
      const clients = [await world.connect(), await world.connect(), await world.connect()] as const;
      const [holder, waiter, late] = clients;
      await holder.run('BEGIN');
      await holder.value('SELECT 1');
      const waits = errorOf(waiter.value('SELECT 1'));
      await eventually(
        'it waits',
        async () => (await world.proxy.metric('mybouncer_waiting_requests')) === 1,
      );
      const refused = await errorOf(late.value('SELECT 1'));
      t.match(refused, { errno: 1040, message: /max_waiting|after \d+ ms/ });
      t.match(await waits, { errno: 1040, message: /after \d+ ms/ });
      await holder.run('COMMIT');
    },
  },
  'statements of clients that have gone': {
    keys: { on_client_disconnect: 'finish' },
    after: async (world, t) => {
      const [client, other] = [await world.connect(), await world.connect()];
      const gate = await Gate.of(t, world.server, world.schema);
      await client.run('CREATE TABLE finished (v INT)');
      client.run(`INSERT INTO finished ${Gate.READ}`).catch(() => {});
      await eventually('it runs', async () =>
        (await world.sessions()).some(({ info }) => info?.startsWith('INSERT INTO finished') === true),
      );
      client.destroy();
      // The other one, and the console.
      await eventually('it has gone', async () => (await world.proxy.metric('mybouncer_clients')) <= 2);
      await gate.open();
      await eventually(
        'it has finished',
        async () => (await other.value('SELECT COUNT(*) FROM finished')) === 1,
      );
      await other.end();
    },
  },
  'statements that hold': {
    keys: { on_unsafe: '{temporary_table: error}', max_held: '0%' },
    after: async (world, t) => {
      const client = await world.connect();
      t.match(await client.error('CREATE TEMPORARY TABLE t(v INT)'), { errno: 1290, message: /on_unsafe/ });
      t.match(await client.error("SELECT GET_LOCK('mine', 0)"), { errno: 1040, message: /max_held/ });
      await client.end();
    },
  },
  'prepared statements': {
    keys: { max_prepared_statements: '1' },
    after: async (world, t, console) => {
      await console.run('RECONNECT');
      const client = await world.connect();
      for (let i = 0; i < 3; i++) await client.execute(`SELECT ${i}`);
      t.strictSame(
        (await console.rows('SHOW SERVERS')).map((row) => row['prepared_statements']),
        [1],
      );
      await client.end();
    },
  },
  'the log': {
    keys: { log_level: 'debug' },
    after: async (world) => {
      const client = await world.connect();
      await client.end();
      await world.proxy.logged('client closed');
    },
  },
};

async function rolledBack(t: Test, world: Reloading, client: Client, limit: string): Promise<void> {
  await eventually(
    'it is told',
    async () => (await world.proxy.metric('mybouncer_time_limits_total', limit)) > 0,
  );
  t.match(await client.error('SELECT 1'), { errno: 1317, message: new RegExp(limit) });
  await client.end();
}

export async function passes(t: Test, world: Reloading, what: string, one: Case): Promise<void> {
  await t.test(what, async (t) => {
    const then = await one.prepare?.(world, t);
    const console = await world.admin();
    const users = `  - {name: second, password: x, server_user: ${world.user.user}, server_password: ${world.user.password}}`;
    const changes = await world.reload(console, one.keys, users);
    for (const key of Object.keys(one.keys)) {
      t.match(
        changes.find((change) => change['key'] === key),
        { effect: 'applied' },
        key,
      );
    }
    await then?.(t);
    await one.after?.(world, t, console);
    await world.reload(console, {});
    t.strictSame(await console.rows('RELOAD'), [], 'and everything is as it was');
    await world.leave();
  });
}
