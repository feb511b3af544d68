import t from 'tap';
import { HoldLog } from '../../src/app/hold-log.js';

const HOUR = 60 * 60_000;

class World {
  now = 0;
  readonly lines: object[] = [];
  readonly #log = new HoldLog({ info: (fields) => void this.lines.push(fields) }, () => this.now);

  begin(reason: string, statement: string | null): void {
    this.#log.begun({ reason, statement, client: 7, user: 'ann', serverUser: 'app' });
  }
}

t.test(
  'a reason is told with a statement for the first time, and again when it has not begun for an hour',
  async (t) => {
    const world = new World();
    world.begin('user_lock', 'SELECT GET_LOCK ( ... )');
    world.begin('user_lock', 'SELECT GET_LOCK ( ... )');
    world.begin('user_variable', 'SELECT GET_LOCK ( ... )');
    world.begin('user_lock', null);
    world.now = HOUR - 1;
    world.begin('user_lock', null);
    world.now = 2 * HOUR - 2;
    world.begin('user_lock', null);
    t.equal(world.lines.length, 3, 'each begin counts from the one before');
    world.now += HOUR;
    world.begin('user_lock', null);
    t.strictSame(world.lines.at(-1), {
      reason: 'user_lock',
      statement: null,
      client: 7,
      user: 'ann',
      serverUser: 'app',
    });
    t.equal(world.lines.length, 4);
  },
);

t.test('what many statements do is a few lines and bounded memory', async (t) => {
  const world = new World();
  for (let i = 0; i < 5_000; i++) world.begin('unknown', `CALL p${i}()`);
  t.ok(world.lines.length >= 20 && world.lines.length < 500, `${world.lines.length} lines`);
  const before = world.lines.length;
  world.begin('unknown', 'CALL p4999()');
  t.equal(world.lines.length, before, 'the last ones are remembered');
});
