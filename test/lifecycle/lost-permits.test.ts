import t from 'tap';
import { reclaim } from '../../src/lifecycle/lost-permits.js';
import { eventually } from '../support/proxied.js';

/** A server that shows these sessions, by their user. */
class Shown {
  readonly #users = new Map<string, Set<string>>();
  asked = 0;
  found = 0;

  constructor(sessions: ReadonlyMap<string, string>) {
    for (const [id, user] of sessions) {
      const ids = this.#users.get(user) ?? new Set();
      this.#users.set(user, ids.add(id));
    }
  }

  ends(user: string, id: string): void {
    this.#users.get(user)?.delete(id);
  }

  async gone(user: string, ids: readonly string[]): Promise<readonly string[]> {
    this.asked++;
    return ids.filter((id) => this.#users.get(user)?.has(id) !== true);
  }
}

function reclaimed(permits: number, sessions: ReadonlyMap<string, string>): Shown {
  const shown = new Shown(sessions);
  reclaim(
    { permits, sessions },
    {
      gone: (user, ids) => shown.gone(user, ids),
      found: (count) => {
        shown.found += count;
      },
    },
  );
  return shown;
}

t.test('a permit is back when the server shows its session no more', async (t) => {
  const shown = reclaimed(
    3,
    new Map([
      ['18446744073709551615', 'a'],
      ['2', 'a'],
      ['3', 'b'],
    ]),
  );
  await eventually('both users are asked for', () => shown.asked === 2);
  t.equal(shown.found, 0);
  shown.ends('a', '2');
  await eventually('one is back', () => shown.found === 1);
  shown.ends('b', '3');
  shown.ends('a', '18446744073709551615');
  await eventually('all are back', () => shown.found === 3);
});

t.test('of those that it had no session for, one may have been on its way', async (t) => {
  const shown = reclaimed(5, new Map([['1', 'a']]));
  await eventually('some are back at once', () => shown.found === 3);
  shown.ends('a', '1');
  await eventually('the one of its session as well', () => shown.found > 3);
  t.equal(shown.found, 4);
});

t.test('more sessions than permits, as where the pool has become smaller', async (t) => {
  const shown = reclaimed(
    1,
    new Map([
      ['1', 'a'],
      ['2', 'a'],
    ]),
  );
  shown.ends('a', '1');
  await eventually('it is looked again', () => shown.asked > 2);
  t.equal(shown.found, 0);
  shown.ends('a', '2');
  await eventually('it is back', () => shown.found === 1);
});
