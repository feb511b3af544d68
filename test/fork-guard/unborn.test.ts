import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import t, { type Test } from 'tap';
import { UNBORN_MS, UnbornIds } from '../../src/fork-guard/unborn-ids.js';
import { ask, canFork, GuardedServer } from './support/forking-client.js';

const isCI = process.env['CI'] === 'true';
const options = canFork || isCI ? {} : { skip: 'needs Linux and Python 3' };

/**
 * What this thread sees of new processes, as it is in the microseconds in which the kernel makes one: the last id can be kept what
 * it was, and processes of higher ids than that cannot be seen.
 */
class Sight {
  isFrozen = false;
  hidesFrom = Number.POSITIVE_INFINITY;
  #frozen: Buffer | null = null;

  constructor(t: Test) {
    const { readFileSync, existsSync, readSync } = fs;
    const hides = (path: unknown): boolean => {
      const id = /^\/proc\/(\d+)/.exec(String(path))?.[1];
      return id !== undefined && Number(id) > this.hidesFrom;
    };
    const patched: Record<string, (...args: never[]) => unknown> = {
      readFileSync: (...args: Parameters<typeof readFileSync>) => {
        if (hides(args[0])) throw Object.assign(new Error('hidden'), { code: 'ENOENT' });
        return readFileSync(...args);
      },
      existsSync: (path: string) => !hides(path) && existsSync(path),
      readSync: (fd: number, buf: Buffer, offset: number, length: number, position: number) => {
        // Whole files are read by others.
        if (position !== 0) return readSync(fd, buf, offset, length, position);
        if (this.#frozen === null || !this.isFrozen) {
          const read = readSync(fd, buf, offset, length, position);
          this.#frozen = Buffer.from(buf.subarray(0, read));
          return read;
        }
        return this.#frozen.copy(buf);
      },
    };
    Object.assign(fs, patched);
    syncBuiltinESMExports();
    t.teardown(() => {
      Object.assign(fs, { readFileSync, existsSync, readSync });
      syncBuiltinESMExports();
    });
  }
}

function lastId(): number {
  return Number(fs.readFileSync('/proc/loadavg', 'latin1').trim().split(' ').at(-1));
}

/** Longer than a reading of the last id is good for. */
function pause(): void {
  const end = performance.now() + 0.2;
  while (performance.now() < end);
}

t.test('a process that can be seen when its first command comes, and not before', options, async (t) => {
  const server = await GuardedServer.start(t);
  const { client, watch } = await server.client(t);
  t.same(await ask(watch), { kind: 'single' });
  const sight = new Sight(t);
  const never = (): void => {};
  // Where others make processes meanwhile, the guard's other thread is asked at once, as it should be: then once more.
  for (let attempt = 0; ; attempt++) {
    if (attempt === 100) {
      t.fail('this machine makes processes all the time');
      return;
    }
    t.same(await ask(watch), { kind: 'single' });
    sight.isFrozen = true;
    const before = lastId();
    const pid = (await client.run('out = child(linger)')) as number;
    // From here on, nothing else runs in this thread.
    sight.hidesFrom = before;
    sight.isFrozen = false;
    pause();
    const wasServed = pid > before && watch.check(never);
    sight.hidesFrom = Number.POSITIVE_INFINITY;
    pause();
    if (wasServed) {
      t.notOk(watch.check(never), 'its command waits');
      return;
    }
    await client.run(`os.kill(${pid}, 9); os.waitpid(${pid}, 0)`);
    while (watch.isAsked) await new Promise<void>((resolve) => setTimeout(resolve, 5));
  }
});

t.test('ids without a process', options, async (t) => {
  const ids = new UnbornIds();
  t.equal(ids.size, 0);
  const gone = 4_194_400;
  ids.add([gone], 0);
  t.notOk(ids.areBorn(1));
  t.equal(ids.size, 1, 'it may yet be seen');
  t.notOk(ids.areBorn(UNBORN_MS + 1));
  t.equal(ids.size, 0, 'it has ended');
  ids.add([process.pid], 0);
  t.notOk(ids.areBorn(1), 'it runs a program of its own');
  t.equal(ids.size, 0);
  ids.surveyed([gone], 5);
  ids.surveyed([gone], 50);
  t.notOk(ids.areBorn(UNBORN_MS + 6));
  t.equal(ids.size, 0, 'counted from when it was missing first');
  ids.add(
    Array.from({ length: 7 }, (_, i) => gone + i),
    0,
  );
  t.ok(ids.areBorn(1), 'too many to be looked at here');
});
