import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { withoutHooks } from '../../support/proxy.js';

/** The exit code of `env` and of shells. */
const NOT_FOUND = 127;

export interface Ended {
  readonly code: number;
  /** Both streams, as they came. */
  readonly output: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Runs a program to its end. @returns null where there is no such program */
export async function run(
  words: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<Ended | null> {
  const [program, ...args] = withoutHooks(words);
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data: Buffer) => {
      output += data.toString();
    });
  }
  const [code] = await once(child, 'close');
  return code === NOT_FOUND ? null : { code: code as number, output };
}

/** Why a test is left out where a program is missing; with CI=true nothing is: there everything is installed. */
export async function skipWithout(
  words: readonly [string, ...string[]],
  packages: string,
): Promise<string | false> {
  if (process.env['CI'] === 'true' || (await run(words)) !== null) return false;
  return `${words[0]} is missing: install ${packages}`;
}
