import type { Test } from 'tap';
import type { TestServer } from '../support/server-handle.js';
import { forEachServer } from '../support/servers.js';
import { show } from '../support/show.js';
import { formatCase, type Target } from './case.js';
import { Fuzzer } from './fuzzer.js';
import { openTarget } from './targets.js';

/** The long ones are `npm run fuzz`. */
const SECONDS = 1;
const SEED = 6;

export function fuzzShortly(t: Test, targets: readonly Target[]): Promise<void> {
  const onEach = async (t: Test, server: TestServer): Promise<void> => {
    for (const target of targets) {
      await t.test(target, async (t) => {
        const fuzzed = await openTarget(target, server);
        t.teardown(() => fuzzed.close());
        const { executions, findings, report } = await new Fuzzer(fuzzed, {
          seconds: SECONDS,
          seed: SEED,
        }).run();
        show(t, `${target}: ${report}`);
        for (const { what, fuzzed: found } of findings)
          t.fail(found === null ? what : `${what}\n${formatCase(found, 'for the corpus')}`);
        t.ok(executions > fuzzed.seeds.length, 'mutants were run');
      });
    }
  };
  return forEachServer(t, onEach, { timeout: 120_000 });
}
