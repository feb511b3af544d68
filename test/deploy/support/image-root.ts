import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, normalize } from 'node:path';
import { projectFolder } from '../../clients/conformance.js';
import { withoutHooks } from '../../support/proxy.js';
import type { Stage, Step } from './dockerfile.js';
import { run } from './program.js';

/*
 * No engine for containers runs where the tests do. Here the steps of the Dockerfile are taken one by one in folders, and what
 * comes of them is run by its numeric user with nothing else of this machine in sight, on a root that is mounted read-only.
 */

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly optional?: boolean }>>;
}

/** What a Dockerfile's `COPY` may take from the project. Knows the two forms that ours has: `*`, and `!NAME`. */
export async function allowedInContext(): Promise<readonly string[]> {
  const text = await readFile(join(projectFolder(), '.dockerignore'), 'utf8');
  const [all, ...exceptions] = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  if (all !== '*' || exceptions.some((line) => !/^![\w.-]+$/.test(line)))
    throw new Error('.dockerignore has a form that this test does not know');
  return exceptions.map((line) => line.slice(1));
}

/** In place of `npm ci`, which takes long: the packages that are here, by the same lock. The compiler is only linked to. */
async function installPackages(folder: string): Promise<void> {
  const project = projectFolder();
  const lock = JSON.parse(await readFile(join(folder, 'package-lock.json'), 'utf8')) as Lock;
  for (const [path, { dev, optional }] of Object.entries(lock.packages)) {
    if (path === '' || dev === true || optional === true) continue;
    await cp(join(project, path), join(folder, path), { recursive: true });
  }
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, '.bin'), { recursive: true });
  await symlink(join(project, 'node_modules/typescript'), join(modules, 'typescript'));
  await symlink('../typescript/bin/tsc', join(modules, '.bin/tsc'));
}

/** Takes the steps of stages that build on nothing but each other's files. */
export class ImageBuilder {
  readonly #folder: string;
  readonly #allowed: readonly string[];

  constructor(folder: string, allowed: readonly string[]) {
    this.#folder = folder;
    this.#allowed = allowed;
  }

  /** @returns the folder that is the image's root, without what its base brings along */
  async build(stage: Stage, name: string): Promise<string> {
    const root = join(this.#folder, name);
    let cwd = root;
    for (const step of stage.steps) {
      if (step.keyword === 'WORKDIR') {
        cwd = join(root, step.text);
        await mkdir(cwd, { recursive: true });
      } else if (step.keyword === 'COPY') await this.#copy(step, cwd);
      else if (step.keyword === 'RUN') await this.#run(step.text, cwd);
    }
    return root;
  }

  async #copy({ text, flags }: Step, cwd: string): Promise<void> {
    const words = text.split(' ');
    const to = words.pop() ?? '';
    const from = flags['from'];
    for (const word of words) {
      const name = normalize(word);
      if (from === undefined && !this.#allowed.includes(name))
        throw new Error(`.dockerignore leaves ${name} out`);
      const source = from === undefined ? join(projectFolder(), name) : join(this.#folder, from, name);
      const target = to.endsWith('/') ? join(cwd, to, basename(name)) : join(cwd, to);
      await cp(source, target, { recursive: true });
    }
  }

  async #run(command: string, cwd: string): Promise<void> {
    if (/^npm ci( --[\w-]+)+$/.test(command)) return installPackages(cwd);
    const env = { ...process.env, npm_config_offline: 'true', npm_config_update_notifier: 'false' };
    const ended = await run(['sh', '-ec', command], { cwd, env });
    if (ended?.code !== 0) throw new Error(`${command} failed:\n${ended?.output}`);
  }
}

/** Puts Node where the base image has it, with the libraries that it needs and nothing else: no shell, too. */
export async function addRuntime(root: string, node: string): Promise<void> {
  const ldd = await run(['ldd', process.execPath]);
  const libraries = [...(ldd?.output ?? '').matchAll(/(?:^|\s)(\/\S+) \(0x/g)].map(([, path = '']) => path);
  for (const library of libraries) await copyReal(library, join(root, library));
  await copyReal(process.execPath, join(root, node));
  for (const folder of ['proc', 'dev', 'tmp']) await mkdir(join(root, folder), { recursive: true });
}

async function copyReal(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { dereference: true });
}

/** Whether this machine lets us mount what only we see. */
export async function canMount(): Promise<boolean> {
  return (await run(['unshare', '--mount', 'true']))?.code === 0;
}

/**
 * The words that run a command of the image, as its user, on its read-only root. They do not fork: the process that is started is the
 * program in the end.
 */
export function inImage(
  root: string,
  user: string,
  words: readonly string[],
): readonly [string, ...string[]] {
  const script = [
    'mount --bind "$0" "$0"',
    'mount -o remount,bind,ro "$0"',
    'mount -t proc proc "$0/proc"',
    'mount --rbind /dev "$0/dev"',
    'user=$1; shift',
    'exec setpriv --no-new-privs chroot --userspec="$user" "$0" "$@"',
  ].join(' && ');
  return withoutHooks([
    'unshare',
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-ec',
    script,
    root,
    user,
    ...words,
  ]);
}

/** What a process of the image can do to its root. */
export async function writeProbe(root: string): Promise<void> {
  const script = `
    const { writeFileSync } = require('node:fs');
    const { spawnSync } = require('node:child_process');
    const codes = ['/app/x', '/tmp/x', '/x'].map((path) => {
      try { writeFileSync(path, ''); return 'written'; } catch ({ code }) { return code; }
    });
    console.log(JSON.stringify({ codes, uid: process.getuid(), shell: spawnSync('/bin/sh').error?.code ?? 'runs' }));`;
  await writeFile(join(root, 'probe.cjs'), script);
}
