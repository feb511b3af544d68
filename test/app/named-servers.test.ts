import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { NamedServers } from '../../src/app/named-servers.js';
import { configuredServers, type SharedParts, serverNames } from '../../src/app/new-server.js';
import { pauseCommands } from '../../src/app/pool-pause.js';
import { EachSizing, PoolSizing } from '../../src/app/pool-sizing.js';
import { ServerPermits } from '../../src/app/server-permits.js';
import { completeConfig, loadSettings } from '../../src/config/load.js';
import { MAX_SERVERS } from '../../src/config/servers.js';
import { DialLog } from '../../src/observability/dial-log.js';
import { JoinedPools } from '../../src/relay/joined-pools.js';
import { RelayCounters } from '../../src/relay/relay-counters.js';
import { Servers } from '../../src/relay/servers.js';
import { ServerKind } from '../../src/servers/server-kind.js';
import { ProfileRegistry } from '../../src/session/profile.js';
import type { PermitPort } from '../../src/workers/seat.js';

/** Never asked for: nothing is connected to. */
function nobody(): never {
  throw new TypeError('no session is opened here');
}

/** What a configuration's names stand for, as often as it is asked. */
function world(
  t: Test,
  lines: string,
  means: Readonly<Record<string, readonly string[]>>,
  port: PermitPort | null = null,
) {
  const file = join(t.testdir({}), 'my.yaml');
  writeFileSync(file, lines);
  const settings = loadSettings({ flags: new Map(), configFile: file, env: {} });
  if (settings.upstream === null) throw new Error('there is one');
  const config = completeConfig(settings, settings.upstream);
  const told: Record<string, unknown>[] = [];
  const log = pino({ base: null }, { write: (line: string) => told.push(JSON.parse(line)) });
  const parts: SharedParts = {
    config,
    log,
    registry: new ProfileRegistry(),
    kind: new ServerKind(),
    counters: new RelayCounters(),
    services: nobody,
    metrics: nobody,
    permits: new ServerPermits(config, port),
    place: { rank: 0, members: 1 },
    dialLog: new DialLog(log),
  };
  const servers = new Servers();
  servers.add(configuredServers(config, parts));
  const now: Record<string, readonly string[]> = { ...means };
  const heard: string[] = [];
  servers.follow({
    came: ({ name }) => heard.push(`came ${name}`),
    gone: ({ name }) => heard.push(`gone ${name}`),
  });
  const named = new NamedServers(servers, parts, async (name) => {
    const addresses = now[name] ?? [];
    if (addresses.length === 0) throw new Error('not known');
    return { addresses, ttlSeconds: 60 };
  });
  t.teardown(() => named.stop());
  return {
    servers,
    told,
    /** As a worker that does not find out any size. */
    sizing: (): EachSizing =>
      new EachSizing(
        servers,
        (server) =>
          new PoolSizing({
            config,
            ...server,
            account: nobody,
            accounts: nobody,
            ownForGuests: 0,
            ownForHealth: 1,
            workers: 2,
            permits: parts.permits.of(server),
            leads: false,
            log,
          }),
      ),
    text: () => serverNames(servers, config),
    heard: () => heard.splice(0),
    start: async (): Promise<void> => {
      named.start();
      await turn();
    },
    /** Asked again, as when a server of the name is down. */
    means: async (name: string, addresses: readonly string[]): Promise<void> => {
      now[name] = addresses;
      const [server] = servers.all.filter(({ entry }) => entry.startsWith(name));
      if (server !== undefined) named.askAgain(server);
      await turn();
    },
    trouble: () => named.trouble?.message ?? null,
  };
}

const TWO_NAMES = [
  'servers:',
  '  - {url: "mysql://app:secret@galera/shop", addresses: all}',
  '  - {url: mysql://db9, weight: 2}',
  '  - {url: mysql://readers, addresses: all, name: r, role: replica, weight: 3}',
].join('\n');

t.test('servers come and go with the addresses of their names', async (t) => {
  const { servers, heard, start, means, trouble, text, told } = world(t, TWO_NAMES, {
    galera: ['10.0.0.2', '10.0.0.1'],
  });
  t.equal(trouble(), null);
  t.equal(text(), 'db9:3306');
  t.same(heard(), ['came db9:3306']);
  await start();
  const names = (): readonly string[] => servers.inUse.map(({ name }) => name);
  t.same(
    names(),
    ['galera/10.0.0.1:3306', 'galera/10.0.0.2:3306', 'db9:3306'],
    'as the configuration has them',
  );
  t.equal(servers.first.name, 'galera/10.0.0.1:3306');
  t.equal(trouble(), 'readers cannot be resolved: not known');
  t.match(told.map(({ msg, name }) => [msg, name]).sort(), [
    ['a name of servers cannot be resolved: the addresses that are known stay', 'readers'],
    ['addresses of a name of servers', 'galera'],
  ]);
  t.same(new Set(servers.all.map(({ index }) => index)), new Set([0, 1, 2]));
  t.notOk(
    servers.all.some(({ startsSlowly }) => startsSlowly),
    'the first are there from the beginning',
  );
  t.match(servers.all[0]?.upstream.options.address, { host: '10.0.0.1', port: 3306, name: 'galera' });
  heard();

  await means('galera', ['10.0.0.1', '10.0.0.3']);
  t.same(names(), ['galera/10.0.0.1:3306', 'galera/10.0.0.3:3306', 'db9:3306']);
  t.equal(servers.all.length, 4, 'the other one is being left');
  t.ok(servers.all.find(({ name }) => name.includes('10.0.0.3'))?.startsSlowly);
  await means('galera', ['10.0.0.1', '10.0.0.2']);
  t.same(names(), ['galera/10.0.0.1:3306', 'galera/10.0.0.2:3306', 'db9:3306']);
  t.same(heard(), ['came galera/10.0.0.3:3306'], 'it has never gone');
  t.match(told.at(-1), { added: ['galera/10.0.0.2:3306'], removed: ['galera/10.0.0.3:3306'] });
  servers.secondPassed();
  t.same(heard(), ['gone galera/10.0.0.3:3306'], 'nobody was there any more');
  t.equal(servers.all.length, 3);
  t.equal(servers.freeIndex, 3);
  await servers.close();
});

t.test('workers share a server from when it comes until it is left', async (t) => {
  const said: string[] = [];
  const port: PermitPort = {
    join: (server, size) => {
      said.push(`join ${server} ${size}`);
      return ({ kind }) => said.push(`${kind} ${server}`);
    },
  };
  const lines = `pool_size: 7\n${TWO_NAMES}`;
  const { servers, start, means, sizing } = world(t, lines, { galera: ['10.0.0.1', '10.0.0.2'] }, port);
  const sizes = sizing();
  await start();
  const [first, second] = ['galera/10.0.0.1:3306', 'galera/10.0.0.2:3306'];
  t.same(said.splice(0), ['join db9:3306 7', `join ${first} 7`, `join ${second} 7`]);
  await means('galera', ['10.0.0.2']);
  t.same(said, [], 'it may have sessions yet');
  servers.secondPassed();
  t.same(said.splice(0), [`leave ${first}`]);
  await means('galera', ['10.0.0.1', '10.0.0.2']);
  t.same(said.splice(0), [`join ${first} 7`]);
  sizes.changed();
  t.same(said.splice(0).sort(), ['total db9:3306', `total ${first}`, `total ${second}`]);
  sizes.stop();
  t.same(said.sort(), ['leave db9:3306', `leave ${first}`, `leave ${second}`]);
  await servers.close();
});

t.test('a name that is not known for a while', async (t) => {
  const { servers, start, means, trouble, told } = world(t, TWO_NAMES, {
    galera: ['10.0.0.1'],
    readers: ['10.0.0.9'],
  });
  await start();
  await means('galera', []);
  t.equal(servers.inUse.length, 3);
  t.equal(trouble(), null, 'it has its addresses');
  t.match(told.at(-1), { msg: /cannot be resolved/, name: 'galera', error: 'not known' });
  t.match(servers.all.at(-1), { name: 'r/10.0.0.9:3306', entry: 'r', use: 'replica', weight: 3 });
});

t.test('more addresses than there may be servers', async (t) => {
  const many = Array.from({ length: MAX_SERVERS }, (_, i) => `10.0.1.${i}`);
  const { servers, start, told, means } = world(t, TWO_NAMES, { galera: many });
  await start();
  t.equal(servers.inUse.length, MAX_SERVERS);
  t.match(
    told.find(({ msg }) => String(msg).startsWith('a name has more addresses')),
    { name: 'galera', addresses: MAX_SERVERS, used: MAX_SERVERS - 1, most: MAX_SERVERS },
  );
  await means('galera', ['10.0.2.1']);
  t.equal(servers.inUse.length, 2);
  t.equal(servers.all.length, MAX_SERVERS + 1);
  servers.secondPassed();
  t.equal(servers.all.length, 2);
});

t.test('what was counted stays when its server goes', async (t) => {
  const { servers, start, means } = world(t, TWO_NAMES, { galera: ['10.0.0.1', '10.0.0.2'] });
  await start();
  const [first, second] = servers.all;
  if (first === undefined || second === undefined) throw new Error('there are two');
  first.cleaner.resets = 3;
  second.cleaner.resets = 4;
  await means('galera', ['10.0.0.2']);
  servers.secondPassed();
  t.equal(servers.resets, 7);
  second.cleaner.resets++;
  t.equal(servers.resets, 8);
});

t.test('what another process has paused is paused when it comes', async (t) => {
  const { servers, start, means } = world(t, TWO_NAMES, { galera: ['10.0.0.1', '10.0.0.2'] });
  let changes = 0;
  const none = () => ({ waiting: 0, oldestWaitMs: 0 });
  const pools = new JoinedPools(servers, none, () => changes++);
  const pauses = pauseCommands(pools, () => servers.all, pino({ level: 'silent' }));
  const expected = ['galera/10.0.0.1:3306', 'app/0@galera/10.0.0.2:3306', 'db9:3306'];
  for (const name of expected) pauses.pauseComing(name);
  t.equal(changes, 1, 'one of them is there');
  const isPaused = (): readonly string[] =>
    servers.all.filter((server) => server.isPaused).map(({ name }) => name);
  t.same(isPaused(), ['db9:3306']);
  t.same(new Set(pauses.paused().pools), new Set(expected), 'as yet another one is told');
  await start();
  t.same(isPaused(), ['galera/10.0.0.1:3306', 'db9:3306']);
  t.same(new Set(pauses.paused().pools), new Set(expected));
  t.match(
    pauses.names(),
    servers.all.map(({ name }) => name),
  );
  pauses.resume('galera/10.0.0.1:3306');
  t.same(isPaused(), ['db9:3306']);
  pauses.pauseComing('galera/10.0.0.3:3306');
  pauses.resume('galera/10.0.0.3:3306');
  await means('galera', ['10.0.0.3']);
  t.same(isPaused(), ['db9:3306'], 'not what was resumed before it came');
  pauses.resume(null);
  t.same(pauses.paused(), { all: false, pools: [] });
  await servers.close();
});
