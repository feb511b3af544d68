import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import t, { type Test } from 'tap';
import { projectFolder } from '../clients/conformance.js';
import { temporaryFolder } from '../stacks/support/folder.js';
import { eventually } from '../support/proxied.js';
import { forEachServer } from '../support/servers.js';
import { execForm, mistakes, only, readDockerfile, type Stage } from './support/dockerfile.js';
import {
  addRuntime,
  allowedInContext,
  canMount,
  ImageBuilder,
  inImage,
  writeProbe,
} from './support/image-root.js';
import { run } from './support/program.js';

/* The image: what its Dockerfile says, and what comes of its steps. See image-root.ts for how without an engine. */

const { version, license } = JSON.parse(readFileSync(join(projectFolder(), 'package.json'), 'utf8')) as {
  version: string;
  license: string;
};
const stages = readDockerfile();
const [build, final] = stages;
if (build === undefined || final === undefined || stages.length !== 2)
  throw new Error('two stages are expected');

/** With a tag that is a version, or a digest: never what `latest` is today. */
const PINNED = /^[\w./-]+(:(?!latest)[\w.-]+|@sha256:[0-9a-f]{64})$/;

t.test('a linter finds nothing', async (t) => {
  t.same(mistakes(), []);
  t.not(mistakes('FROM a\nEXPOSE x\nENTRYPOINT ["a"]\nENTRYPOINT ["b"]\n').length, 0, 'and would');
});

t.test('what it says of the image', async (t) => {
  for (const { image } of stages) t.match(image, PINNED);
  t.match(only(final, 'USER').text, /^[1-9]\d*:[1-9]\d*$/, 'a numeric user who is not root');
  t.equal(only(final, 'STOPSIGNAL').text, 'SIGTERM');
  t.equal(only(final, 'EXPOSE').text, '6033 6034', 'the default ports');
  t.notOk(
    final.steps.some(({ keyword }) => keyword === 'RUN'),
    'nothing is run in the image: it may have no shell',
  );
  const entry = execForm(only(final, 'ENTRYPOINT').text);
  const health = execForm(only(final, 'HEALTHCHECK').text.replace(/^CMD /, ''));
  t.same(health, [...entry, 'healthcheck'], 'health is asked by the program itself, without a shell');
  const labels = only(final, 'LABEL').text;
  for (const name of ['title', 'description', 'licenses', 'version', 'revision'])
    t.match(labels, `org.opencontainers.image.${name}=`);
  t.match(labels, `licenses="${license}"`);
  t.ok(final.steps.some(({ keyword, text }) => keyword === 'ARG' && text === `VERSION=${version}`));
});

t.test('nothing of what must stay here gets into it', async (t) => {
  const allowed = await allowedInContext();
  t.same(allowed, ['package.json', 'package-lock.json', 'tsconfig.json', 'LICENSE', 'src']);
});

/** A container gets nothing of the environment that starts it; the programs that put it together are found by this. */
const BARE = { PATH: process.env['PATH'] };
const NEEDED =
  process.getuid?.() !== 0
    ? 'only root can mount'
    : (await canMount())
      ? false
      : 'nothing can be mounted here';

interface Running {
  readonly pid: number;
  readonly listen: string;
  readonly http: string;
}

/** Runs the image's own entry point on its root. */
async function start(t: Test, root: string, stage: Stage, upstream: string): Promise<Running> {
  const entry = execForm(only(stage, 'ENTRYPOINT').text);
  const [program, ...words] = inImage(root, only(stage, 'USER').text, entry);
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...BARE,
      NODE_ENV: 'production',
      MYBOUNCER_UPSTREAM: upstream,
      MYBOUNCER_LISTEN: '127.0.0.1:0',
      MYBOUNCER_HTTP: '127.0.0.1:0',
    },
  });
  t.teardown(() => child.kill('SIGKILL'));
  const said: string[] = [];
  child.stderr.on('data', (data: Buffer) => said.push(data.toString()));
  let listen: string | undefined;
  let http: string | undefined;
  let isReady = false;
  createInterface({ input: child.stdout }).on('line', (line) => {
    said.push(line);
    const fields = JSON.parse(line) as { msg: string; listen?: string[]; http?: string };
    listen ??= fields.listen?.[0];
    http ??= fields.http;
    isReady ||= fields.msg === 'ready';
  });
  await eventually('it is ready', () => {
    if (child.exitCode !== null) throw new Error(said.join('\n'));
    return isReady;
  });
  if (child.pid === undefined || listen === undefined || http === undefined) throw new Error(said.join('\n'));
  return { pid: child.pid, listen, http };
}

t.test(
  'what comes of its steps runs read-only, as an ordinary user',
  { skip: NEEDED, timeout: 180_000 },
  async (t) => {
    const builder = new ImageBuilder(await temporaryFolder(t), await allowedInContext());
    await builder.build(build, build.name ?? 'build');
    const root = await builder.build(final, 'final');
    t.same(readdirSync(join(root, 'app')).sort(), ['LICENSE', 'dist', 'node_modules', 'package.json']);
    t.notOk(
      readdirSync(join(root, 'app/node_modules')).includes('typescript'),
      'no development package is left',
    );
    t.same(readdirSync(join(root, 'app/dist')), ['src'], 'nor a test');

    const entry = execForm(only(final, 'ENTRYPOINT').text);
    const user = only(final, 'USER').text;
    await addRuntime(root, entry[0]);
    await writeProbe(root);
    const probe = await run(inImage(root, user, [entry[0], '/probe.cjs']), { env: BARE });
    t.same(JSON.parse(probe?.output ?? ''), {
      codes: ['EROFS', 'EROFS', 'EROFS'],
      uid: Number.parseInt(user, 10),
      shell: 'ENOENT',
    });
    t.match(await run(inImage(root, user, [...entry, '--version']), { env: BARE }), {
      code: 0,
      output: `${version}\n`,
    });

    await forEachServer(
      t,
      async (t, server) => {
        const { pid, listen, http } = await start(t, root, final, server.url());
        const url = new URL(server.url());
        [url.hostname = '', url.port = ''] = listen.split(':');
        const client = await createConnection(url.href);
        const [[row]] = await client.query<RowDataPacket[]>('SELECT CURRENT_USER() AS me');
        t.equal(row?.['me'], 'app@%');
        await client.end();
        t.equal((await fetch(`http://${http}/readyz`)).status, 200);
        t.match(
          readFileSync(`/proc/${pid}/status`, 'utf8'),
          new RegExp(`^Uid:\\t${Number.parseInt(user, 10)}\\t`, 'm'),
        );

        const health = execForm(only(final, 'HEALTHCHECK').text.replace(/^CMD /, ''));
        const env = { ...BARE, MYBOUNCER_HTTP: http };
        const isHealthy = async () => (await run(inImage(root, user, health), { env }))?.code === 0;
        t.equal(await isHealthy(), true);
        process.kill(pid, 'SIGTERM');
        await eventually('it has ended', () => !isAlive(pid));
        t.equal(await isHealthy(), false);
      },
      { flavors: ['mariadb'], timeout: 300_000 },
    );
  },
);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
