import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** An empty folder that is gone after the test. Ask for it before what uses it: teardowns run last to first. */
export async function temporaryFolder(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-stack-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}
