import t from 'tap';
import { forEachServer } from '../support/servers.js';
import { TARGETS } from './case.js';
import { namedCorpusOf } from './corpus.js';
import { Fuzzer } from './fuzzer.js';
import { openTarget } from './targets.js';

/** Everything that the fuzzer ever found, again. */
await forEachServer(t, async (t, server) => {
  for (const target of TARGETS) {
    const corpus = await namedCorpusOf(target);
    if (corpus.size === 0) continue;
    await t.test(`${target}: ${corpus.size} cases`, async (t) => {
      const fuzzed = await openTarget(target, server);
      t.teardown(() => fuzzed.close());
      const only = { ...fuzzed, seeds: [...corpus.values()] };
      const { findings, executions } = await new Fuzzer(only, { seconds: 0, seed: 1 }).run();
      t.strictSame(findings, []);
      t.equal(executions, corpus.size);
    });
  }
});
