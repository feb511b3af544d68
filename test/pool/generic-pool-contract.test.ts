/**
 * What the adapter relies on in generic-pool, checked on the library itself: a new version that behaves
 * otherwise fails here first, and by name.
 */
import genericPool from 'generic-pool';
import t from 'tap';

import { ImmediatePromise } from '../../src/pool/immediate-promise.js';

interface Resource {
  readonly name: string;
}
interface DequeItem {
  readonly obj: Resource;
}
interface Library {
  readonly Pool: new (
    evictor: unknown,
    deque: unknown,
    priorityQueue: unknown,
    factory: { create(): unknown; destroy(resource: Resource): unknown },
    options: Record<string, unknown>,
  ) => {
    readonly size: number;
    readonly available: number;
    readonly borrowed: number;
    readonly pending: number;
    readonly spareResourceCapacity: number;
    acquire(): ImmediatePromise<Resource>;
    release(resource: Resource): ImmediatePromise<void>;
    destroy(resource: Resource): ImmediatePromise<void>;
    isBorrowedResource(resource: Resource): boolean;
  };
  readonly PriorityQueue: unknown;
  readonly DefaultEvictor: unknown;
}
const library = genericPool as unknown as Library;

/** A deque that writes down what is asked of it. */
class TracingDeque {
  readonly items: DequeItem[] = [];
  readonly calls: string[] = [];
  /** Index that the next shift gives. */
  next = 0;
  hidden = false;

  get length(): number {
    return this.hidden ? 0 : this.items.length;
  }
  shift(): DequeItem | undefined {
    this.calls.push('shift');
    return this.items.splice(this.next, 1)[0];
  }
  unshift(item: DequeItem): void {
    this.calls.push('unshift');
    this.hidden = false;
    this.items.unshift(item);
  }
  iterator(): IterableIterator<DequeItem> {
    this.calls.push('iterator');
    return this.items.values();
  }
}

function setUp(options: Record<string, unknown> = {}) {
  const deque = new TracingDeque();
  const unknownMembers = new Set<string>();
  const guarded = new Proxy(deque, {
    get(target, name) {
      if (!(name in target)) unknownMembers.add(String(name));
      return Reflect.get(target, name, target) as unknown;
    },
  });
  function GivenDeque(): TracingDeque {
    return guarded;
  }
  const created: Resource[] = [];
  const destroyed: Resource[] = [];
  const factory = {
    create: () => {
      const resource = { name: `r${created.length}` };
      created.push(resource);
      return ImmediatePromise.resolve(resource);
    },
    destroy: (resource: Resource) => {
      destroyed.push(resource);
      return ImmediatePromise.resolve(undefined);
    },
  };
  const pool = new library.Pool(library.DefaultEvictor, GivenDeque, library.PriorityQueue, factory, {
    max: 0x7fff_ffff,
    min: 0,
    fifo: false,
    evictionRunIntervalMillis: 0,
    Promise: ImmediatePromise,
    ...options,
  });
  return { pool, deque, created, destroyed, unknownMembers };
}

/** Makes `count` resources, all borrowed. */
function borrow(pool: ReturnType<typeof setUp>['pool'], created: Resource[], count: number): Resource[] {
  for (let i = 0; i < count; i++) pool.acquire();
  return created.slice(-count);
}

t.test('the constructor takes a deque class and uses the object that it gives', async (t) => {
  const { pool, deque, created, unknownMembers } = setUp();
  t.same(deque.calls, ['iterator']);
  t.same(created, [], 'nothing is created ahead of time with min 0');
  borrow(pool, created, 1).map((resource) => pool.release(resource));
  pool.acquire();
  t.same([...unknownMembers], [], 'nothing is asked of a deque but length, shift, unshift, iterator');
});

t.test('acquire creates when the deque looks empty, and lends within the call', async (t) => {
  const { pool, deque, created } = setUp();
  const loan = pool.acquire();
  t.equal(loan.state, 'fulfilled');
  t.equal(created.length, 1);
  t.ok(pool.isBorrowedResource(created[0] as Resource));
  t.same([pool.size, pool.available, pool.borrowed, pool.pending], [1, 0, 1, 0]);
  t.same(deque.calls, ['iterator', 'unshift', 'shift'], 'a new resource passes through the deque');
});

t.test('a deque that hides its idle resources makes acquire create', async (t) => {
  const { pool, deque, created } = setUp();
  const [first, second] = borrow(pool, created, 2) as [Resource, Resource];
  pool.release(first);
  pool.release(second);
  deque.hidden = true;
  t.equal(pool.acquire().state, 'fulfilled');
  t.equal(created.length, 3);
  t.ok(pool.isBorrowedResource(created[2] as Resource), 'the newest is at the front, and is lent');
  t.same([pool.size, pool.available, pool.borrowed], [3, 2, 1]);
});

t.test('acquire lends exactly what shift gives', async (t) => {
  const { pool, deque, created } = setUp();
  const resources = borrow(pool, created, 3);
  for (const resource of resources) pool.release(resource);
  t.same(
    deque.items.map((item) => item.obj.name),
    ['r2', 'r1', 'r0'],
    'release puts to the front',
  );
  deque.next = 1;
  deque.calls.length = 0;
  pool.acquire();
  t.same(deque.calls, ['shift'], 'one shift, nothing put back');
  t.same(
    resources.map((resource) => pool.isBorrowedResource(resource)),
    [false, true, false],
  );
  t.same([pool.size, pool.available, pool.borrowed, created.length], [3, 2, 1, 3]);
});

t.test('release and destroy take effect within the call', async (t) => {
  const { pool, created, destroyed } = setUp();
  const [first, second] = borrow(pool, created, 2) as [Resource, Resource];
  t.equal(pool.release(first).state, 'fulfilled');
  t.notOk(pool.isBorrowedResource(first));
  t.equal(pool.destroy(second).state, 'fulfilled');
  t.same(destroyed, [second]);
  t.same([pool.size, pool.available, pool.borrowed], [1, 1, 0], 'a destroyed resource is counted no more');
  t.equal(created.length, 2, 'and is not replaced');
});

t.test('what is not borrowed can be neither released nor destroyed', async (t) => {
  const { pool, created, destroyed } = setUp();
  const [resource] = borrow(pool, created, 1) as [Resource];
  pool.release(resource);
  t.equal(pool.release(resource).state, 'rejected');
  t.equal(pool.destroy(resource).state, 'rejected', 'an idle one must be borrowed first');
  t.same(destroyed, []);
  t.same([pool.size, pool.available, pool.borrowed], [1, 1, 0]);
});

t.test('max is read as an integer and bounds nothing here', async (t) => {
  t.equal(setUp().pool.spareResourceCapacity, 0x7fff_ffff);
});

t.test('create throwing synchronously reaches the caller of acquire', async (t) => {
  const factory = {
    create: () => {
      throw new Error('nobody dialled');
    },
    destroy: () => undefined,
  };
  const pool = new library.Pool(library.DefaultEvictor, TracingDeque, library.PriorityQueue, factory, {
    max: 1,
    Promise: ImmediatePromise,
  });
  t.throws(() => pool.acquire(), { message: 'nobody dialled' });
});

t.test('no timer is left behind', async (t) => {
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const { pool, created } = setUp();
  borrow(pool, created, 2).map((resource) => pool.release(resource));
  t.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before);
});
