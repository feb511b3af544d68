import { cp, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Test } from 'tap';
import { temporaryFolder } from '../support/folder.js';
import type { Service } from '../support/service.js';
import { type InstalledStack, type Stack, stackFolder } from '../support/stack.js';

/** The proxy's port in all recipes, which is its default. */
const PORT = '6033';

/** An app server with a small shop, as the README section "With your app server" sets it up. */
export interface Recipe {
  readonly stack: Stack;
  /** The files that the README shows, all of them and in full; under test/stacks/recipes. */
  readonly shown: readonly string[];
  /** The rest of the app. */
  readonly others: readonly string[];
  /** What is tried in another way than the README shows it. */
  readonly changes?: readonly Change[];
  /** Processes that answer requests. */
  readonly workers: number;
  /** Starts it on free ports, until the end of the test. */
  readonly start: (t: Test, kitchen: Kitchen) => Promise<Shop>;
  /** How a worker with a slow request ends: by SIGKILL from here, or by the app server's own limit. */
  readonly slowWorkers: 'are killed by the test' | 'are killed by the app server';
}

/** A text that a shown file has, and another in its place. */
export interface Change {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Shop {
  /** Of what stands in front: `http://HOST:PORT` */
  readonly url: string;
  /** The app server, in whose process group the workers are. */
  readonly workers: Service;
}

/** Where a recipe is tried. */
export interface Kitchen {
  readonly installed: InstalledStack;
  /** A folder of its own, with all files side by side. */
  readonly folder: string;
}

export function recipePath(file: string): string {
  return join(stackFolder(), 'recipes', file);
}

/**
 * Copies a recipe's files into a folder that is gone after the test, with the port that is in use here in place of the
 * default. Changes aside, that is the only difference.
 */
export async function prepare(
  t: Test,
  recipe: Recipe,
  installed: InstalledStack,
  port: number,
): Promise<Kitchen> {
  const folder = await temporaryFolder(t);
  for (const file of recipe.others) await cp(recipePath(file), join(folder, basename(file)));
  for (const file of recipe.shown) {
    const text = changed(await readFile(recipePath(file), 'utf8'), file, recipe);
    await writeFile(join(folder, basename(file)), text.replaceAll(PORT, String(port)));
  }
  return { installed, folder };
}

function changed(text: string, file: string, { changes = [] }: Recipe): string {
  let result = text;
  for (const { from, to } of changes.filter((change) => change.file === file)) {
    if (!result.includes(from)) throw new Error(`${file} does not have: ${from}`);
    result = result.replace(from, to);
  }
  return result;
}
