import t from 'tap';
import { DeadlineList } from '../../src/frontend/deadline-list.js';

class Entry {
  deadlineTicket = 0;
  expired = 0;
  readonly #onExpired: () => void;
  constructor(onExpired: () => void = () => undefined) {
    this.#onExpired = onExpired;
  }
  onDeadline(): void {
    this.expired++;
    this.#onExpired();
  }
}

t.test('entries expire in order, once, and only if they are still there', async (t) => {
  // The list keeps no process alive by itself.
  const alive = setInterval(() => undefined, 1_000);
  t.teardown(() => clearInterval(alive));
  const list = new DeadlineList<Entry>(() => 20);
  const order: string[] = [];
  await new Promise<void>((resolve) => {
    const gone = new Entry(() => order.push('gone'));
    const third = new Entry(() => {
      order.push('third');
      resolve();
    });
    const first = new Entry(() => {
      order.push('first');
      t.ok(list.delete(second), 'one may take out the next while the list is walked');
    });
    const second = new Entry(() => order.push('second'));
    for (const entry of [gone, first, second, third]) list.add(entry);
    t.equal(list.size, 4);
    t.ok(list.delete(gone));
    t.notOk(list.delete(gone));
  });
  t.same(order, ['first', 'third']);
  t.equal(list.size, 0);
  await new Promise<void>((resolve) => list.add(new Entry(resolve)));
  t.pass('and after it was empty it works again');
});

t.test('nothing expires early', async (t) => {
  const alive = setInterval(() => undefined, 1_000);
  t.teardown(() => clearInterval(alive));
  const list = new DeadlineList<Entry>(() => 60);
  const start = performance.now();
  await new Promise<void>((resolve) => list.add(new Entry(resolve)));
  t.ok(performance.now() - start >= 60);
});
