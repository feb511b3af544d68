import t from 'tap';
import { type PermitChange, PermitLedger } from '../../src/workers/permit-ledger.js';
import { type PermitMessage, Permits } from '../../src/workers/permits.js';
import { divide } from '../../src/workers/shares.js';

/* The permits of one pool among workers, with messages that take their time, work of any length, and workers that die. */

/** Uniform in [0, 1), the same each time. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const TICK_MS = 5;
const MESSAGE_MS = 15;
const CLOSE_MS = 20;

/** What happens later, in order of its time. */
class Later {
  now = 0;
  #events: { at: number; serial: number; run: () => void }[] = [];
  #serial = 0;

  in(ms: number, run: () => void): void {
    this.#events.push({ at: this.now + ms, serial: this.#serial++, run });
  }

  pass(ms: number): void {
    this.now += ms;
    for (;;) {
      const due = this.#events
        .filter(({ at }) => at <= this.now)
        .sort((a, b) => a.at - b.at || a.serial - b.serial)[0];
      if (due === undefined) return;
      this.#events.splice(this.#events.indexOf(due), 1);
      due.run();
    }
  }
}

/** A worker: sessions that are idle or lent, and requests that wait for one. */
class Site {
  idle = 0;
  lent = 0;
  opening = 0;
  closing = 0;
  limit = 0;
  waiting: number[] = [];
  /** Requests to come in each ms, on average, and how long each takes. */
  load = 0;
  workMs = 10;
  checkouts = 0;
  /** Sessions given up. */
  closed = 0;
  longestWaitMs = 0;
  isDead = false;
  permits: Permits;
  readonly #world: World;
  #lastToParent = 0;
  #lastToSite = 0;

  constructor(world: World) {
    this.#world = world;
    const site = this;
    this.permits = new Permits(
      {
        set limit(limit: number) {
          site.limit = limit;
          site.settle();
        },
        get used() {
          return site.used;
        },
        demand: () => ({ lent: this.lent, waiting: this.waiting.length, checkouts: this.checkouts }),
      },
      (message) => this.#say(message),
      { now: () => world.later.now, every: () => () => {} },
    );
  }

  get used(): number {
    return this.idle + this.lent + this.opening + this.closing;
  }

  /** Messages arrive in the order in which they were sent. */
  #say(message: PermitMessage): void {
    const { later } = this.#world;
    const at = Math.max(this.#lastToParent, later.now + this.#world.random() * MESSAGE_MS);
    this.#lastToParent = at;
    later.in(at - later.now, () => {
      if (this.isDead) return;
      if (message.kind === 'wish') this.#world.ledger.wishes(this, message.wish);
      else if (message.kind === 'release') this.#world.ledger.released(this, message.count);
    });
  }

  hear(change: PermitChange): void {
    const { later } = this.#world;
    const at = Math.max(this.#lastToSite, later.now + this.#world.random() * MESSAGE_MS);
    this.#lastToSite = at;
    later.in(at - later.now, () => {
      if (!this.isDead) this.permits.changed(change);
    });
  }

  work(): void {
    const { later, random } = this.#world;
    if (random() < this.load * TICK_MS) {
      this.waiting.push(later.now);
      this.settle();
      if (this.waiting.length > 0) this.permits.shortage();
    }
  }

  settle(): void {
    const { later, random } = this.#world;
    while (this.idle > 0 && this.idle + this.lent + this.opening > this.limit) {
      this.idle--;
      this.#close();
    }
    while (this.idle > 0 && this.waiting.length > 0) {
      this.idle--;
      this.lent++;
      this.checkouts++;
      this.longestWaitMs = Math.max(this.longestWaitMs, later.now - (this.waiting.shift() ?? 0));
      later.in(random() * 2 * this.workMs, () => {
        this.lent--;
        this.idle++;
        this.settle();
      });
    }
    if (this.waiting.length > this.opening && this.used < this.limit) {
      this.opening++;
      later.in(random() * CLOSE_MS, () => {
        this.opening--;
        this.idle++;
        this.settle();
      });
    }
  }

  #close(): void {
    this.closing++;
    this.closed++;
    this.#world.later.in(this.#world.random() * CLOSE_MS, () => {
      this.closing--;
      if (!this.isDead) this.permits.placeFreed();
      this.settle();
    });
  }
}

class World {
  readonly later = new Later();
  readonly random: () => number;
  readonly ledger: PermitLedger<Site>;
  readonly sites: Site[] = [];
  /** On the server, of workers that have died. */
  ghosts = 0;
  most = 0;

  constructor(seed: number, total: number, workers: number) {
    this.random = randomFrom(seed);
    this.ledger = new PermitLedger<Site>(
      (site, change) => site.hear(change),
      () => this.later.now,
    );
    this.ledger.total = total;
    for (let i = 0; i < workers; i++) this.sites.push(new Site(this));
    this.ledger.join(this.sites);
  }

  get sessions(): number {
    return this.sites.reduce((sum, { used }) => sum + used, 0) + this.ghosts;
  }

  run(ms: number, check: () => void = () => {}): void {
    for (const until = this.later.now + ms; this.later.now < until; ) {
      this.later.pass(TICK_MS);
      for (const site of this.sites) {
        site.work();
        if (this.later.now % 20 === 0) site.permits.look();
      }
      if (this.later.now % 50 === 0) this.ledger.tick();
      this.most = Math.max(this.most, this.sessions);
      check();
    }
  }

  /** It is gone, and another one is started; the server is rid of its sessions a while later. */
  kill(index: number): void {
    const dead = this.sites[index];
    if (dead === undefined) return;
    dead.isDead = true;
    const { used } = dead;
    this.ghosts += used;
    const lost = this.ledger.left(dead);
    this.later.in(500, () => {
      this.ghosts -= used;
      this.ledger.found(lost);
    });
    const site = new Site(this);
    site.load = dead.load;
    this.sites[index] = site;
    this.ledger.join([site]);
  }
}

t.test('a whole is divided', async (t) => {
  const parts = (whole: number, ...wanted: number[]) =>
    divide(
      whole,
      wanted.map((one, i) => ({ wanted: one, turn: i })),
    );
  t.same(parts(8, 100, 100), [4, 4]);
  t.same(parts(8, 100, 1), [7, 1]);
  t.same(parts(8, 2, 1), [2, 1], 'nobody gets more than he wants');
  t.same(parts(8, 100, 3, 100), [3, 3, 2], 'what cannot be divided goes by turns');
  t.same(parts(1, 5, 5), [1, 0]);
  t.same(parts(0, 5), [0]);
  t.same(parts(5), []);
});

t.test('at rest each has an even part', async (t) => {
  const world = new World(1, 8, 2);
  world.run(100);
  t.same(
    world.sites.map(({ limit }) => limit),
    [4, 4],
  );
  world.ledger.total = 3;
  world.run(200);
  t.same(world.sites.map(({ limit }) => limit).sort(), [1, 2]);
  world.ledger.total = 1;
  world.run(200);
  t.same(world.sites.map(({ limit }) => limit).sort(), [0, 1]);
});

t.test('a busy one gets what an idle one does not need, and gives it back', async (t) => {
  const world = new World(2, 8, 2);
  const [busy, idle] = world.sites;
  if (busy === undefined || idle === undefined) throw new Error('there are two');
  busy.load = 0.2;
  busy.workMs = 100;
  world.run(300);
  t.equal(busy.limit, 8);
  idle.load = 0.2;
  idle.workMs = 100;
  world.run(500);
  t.same([busy.limit, idle.limit], [4, 4], 'both are busy');
  busy.load = 0;
  busy.waiting = [];
  world.run(3_000);
  t.equal(idle.limit, 8);
  idle.load = 0;
  idle.waiting = [];
  world.run(5_000);
  t.same([busy.limit, idle.limit], [4, 4], 'and at rest again');
  t.equal(world.most, 8);
});

t.test('what one needs now is not taken from it for what another one needed a moment ago', async (t) => {
  const world = new World(5, 8, 2);
  const [first, second] = world.sites;
  if (first === undefined || second === undefined) throw new Error('there are two');
  first.load = 0.2;
  first.workMs = 100;
  world.run(1_500);
  first.load = 0;
  first.waiting = [];
  second.load = 0.2;
  second.workMs = 100;
  world.run(400);
  t.ok(second.limit >= 7, 'it has all but the one that the other one keeps for a while');
  const before = second.closed;
  let least = second.limit;
  world.run(1_500, () => {
    least = Math.min(least, second.limit);
  });
  t.ok(least >= 7, `it keeps them: never less than ${least}`);
  t.equal(second.closed, before);
});

t.test('fewer permits than workers: they take turns', async (t) => {
  const world = new World(3, 1, 3);
  for (const site of world.sites) site.load = 0.02;
  world.run(20_000);
  for (const { longestWaitMs, checkouts } of world.sites) {
    t.ok(checkouts > 50, `${checkouts} were served`);
    t.ok(longestWaitMs < 5_000, `nobody starves: ${longestWaitMs} ms at most`);
  }
  t.equal(world.most, 1);
});

t.test('whatever happens, there are never more sessions than permits, and none is lost', async (t) => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = randomFrom(seed);
    const total = 1 + Math.floor(random() * 12);
    const world = new World(seed, total, 2 + Math.floor(random() * 3));
    let over = 0;
    const check = (): void => {
      if (world.sessions > total || world.ledger.out > total) over++;
    };
    for (let phase = 0; phase < 12; phase++) {
      for (const site of world.sites) {
        site.load = random() < 0.3 ? 0 : random() * random() * 0.4;
        site.workMs = random() < 0.2 ? 300 : 10;
      }
      if (random() < 0.2) world.kill(Math.floor(random() * world.sites.length));
      world.run(random() * 1_500, check);
    }
    if (over > 0) t.fail(`seed ${seed}: more than ${total}`);
    for (const site of world.sites) {
      site.load = 0;
      site.workMs = 10;
    }
    world.run(20_000, check);
    const waiting = world.sites.reduce((sum, site) => sum + site.waiting.length, 0);
    if (waiting > 0) t.fail(`seed ${seed}: ${waiting} wait for ever`);
    const limits = world.sites.map(({ limit }) => limit);
    const even = Math.floor(total / limits.length);
    if (limits.reduce((sum, limit) => sum + limit, 0) !== total || Math.min(...limits) !== even)
      t.fail(`seed ${seed}: at rest ${limits} of ${total}`);
    if (over > 0) t.fail(`seed ${seed}: more than ${total}`);
  }
  t.pass('25 worlds');
});

t.test('a budget that falls: what is too much is given back', async (t) => {
  const world = new World(7, 12, 3);
  for (const site of world.sites) {
    site.load = 0.2;
    site.workMs = 50;
  }
  world.run(1_000);
  t.equal(world.sessions, 12);
  world.ledger.total = 4;
  world.run(2_000);
  t.ok(world.sessions <= 4, `${world.sessions} sessions`);
  t.ok(world.ledger.out <= 4);
  world.ledger.total = 12;
  world.run(2_000);
  t.ok(world.sessions > 4);
});
