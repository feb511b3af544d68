import type { Flavor } from '../support/servers.js';
import { kindsFor, PROBE_KINDS } from './kinds/index.js';
import { query } from './kinds/kind.js';
import {
  ClientStyle,
  Hold,
  type Kind,
  type Operation,
  type OperationName,
  type Plan,
  type Step,
} from './model.js';
import { Random } from './random.js';

export interface PlanOptions {
  readonly flavor: Flavor;
  readonly seed: number;
  readonly clients: number;
  readonly poolSize: number;
  readonly steps: number;
  /** Only kinds whose name begins so; all unless given. */
  readonly only?: readonly string[];
  readonly without?: readonly string[];
}

const STYLES = [ClientStyle.Text, ClientStyle.Binary, ClientStyle.Driver, ClientStyle.Modern] as const;
/** A client may do so many things before what it holds is ended. */
const LONGEST_HOLD = 9;
/** How often a client looks at its state instead of changing it. */
const PROBES = 0.2;

/** How a client ends what ties it to its session. */
const ENDINGS: Readonly<Record<Hold, readonly string[]>> = {
  [Hold.Transaction]: ['COMMIT', 'ROLLBACK'],
  [Hold.Autocommit]: ['SET autocommit = 1', 'SET @@session.autocommit = 1'],
  [Hold.Tables]: ['UNLOCK TABLES'],
  [Hold.Locks]: ['SELECT RELEASE_ALL_LOCKS()', 'DO RELEASE_ALL_LOCKS()'],
  [Hold.Temporary]: [
    'DROP TEMPORARY TABLE IF EXISTS tmp1, tmp2, {db}.tmp1, {db}.tmp2, {alt}.tmp1, {alt}.tmp2',
  ],
  [Hold.Prepared]: ['DEALLOCATE PREPARE ps1'],
  [Hold.Handler]: ['HANDLER t3 CLOSE'],
  [Hold.Role]: ['SET ROLE NONE'],
  [Hold.Cursor]: [],
  [Hold.LongData]: [],
  [Hold.OneShot]: ['SELECT COUNT(*) FROM t3'],
  [Hold.Session]: [],
};

/** Holds of which a statement is known that surely ends them; the others end with a reset. */
const ENDED_BY_STATEMENT: ReadonlySet<Hold> = new Set([
  Hold.Transaction,
  Hold.Autocommit,
  Hold.Tables,
  Hold.Locks,
  Hold.OneShot,
]);

const RESETTING: ReadonlySet<OperationName> = new Set(['reset', 'change_user', 'reconnect']);

interface Planned {
  readonly kind: string;
  readonly operation: Operation;
  readonly showsId: boolean;
}

class PlannedClient {
  readonly index: number;
  readonly style: ClientStyle;
  readonly queue: Planned[] = [];
  readonly open = new Set<Hold>();
  closing = false;
  stepsLeft = 0;

  constructor(index: number, style: ClientStyle) {
    this.index = index;
    this.style = style;
  }

  get mayHold(): boolean {
    return this.open.size > 0 || this.closing;
  }
}

/**
 * A plan is made of the seed alone, before anything runs, so that any part of it can be run again. At most one client less than the
 * pool has sessions may hold one at a time, and holds end after some steps: so nobody waits for long.
 */
export function makePlan(options: PlanOptions): Plan {
  const planner = new Planner(options);
  const steps: Step[] = [];
  while (steps.length < options.steps) steps.push(planner.next());
  return { flavor: options.flavor, seed: options.seed, styles: planner.styles, steps };
}

class Planner {
  readonly #random: Random;
  readonly #clients: readonly PlannedClient[];
  readonly #holders: number;
  readonly #kinds: ReadonlyMap<ClientStyle, readonly Kind[]>;
  readonly #probes: readonly Kind[];
  #last: PlannedClient | null = null;
  /** Two clients whose steps come between each other's until one has no more. */
  #together: readonly PlannedClient[] = [];

  constructor({ flavor, seed, clients, poolSize, only, without = [] }: PlanOptions) {
    this.#random = new Random(seed);
    this.#holders = Math.max(1, poolSize - 1);
    this.#clients = Array.from({ length: clients }, (_, i) => {
      return new PlannedClient(i, STYLES[i % STYLES.length] ?? ClientStyle.Text);
    });
    const wanted = ({ name }: Kind): boolean => !without.some((prefix) => name.startsWith(prefix));
    const kinds = kindsFor(flavor)
      .filter(wanted)
      .filter(({ name }) => only === undefined || only.some((prefix) => name.startsWith(prefix)));
    this.#kinds = new Map(
      STYLES.map((style) => [style, kinds.filter(({ styles }) => styles.includes(style))] as const),
    );
    this.#probes = kindsFor(flavor, PROBE_KINDS).filter(wanted);
  }

  get styles(): ClientStyle[] {
    return this.#clients.map(({ style }) => style);
  }

  next(): Step {
    const client = this.#choose();
    this.#last = client;
    if (client.queue.length === 0) this.#fill(client);
    const planned = client.queue.shift();
    if (planned === undefined) throw new RangeError('a client has nothing to do');
    if (client.queue.length === 0 && client.closing) client.closing = false;
    return { client: client.index, ...planned, race: this.#random.chance(0.15) };
  }

  #choose(): PlannedClient {
    const random = this.#random;
    if (this.#together.some(({ queue }) => queue.length === 0)) this.#together = [];
    if (this.#together.length > 0) return random.weighted(this.#together, ({ queue }) => queue.length);
    if (this.#last !== null && random.chance(0.35)) return this.#last;
    // Who has begun something goes on with it, or the others would wait for its end.
    return random.weighted(this.#clients, ({ queue, mayHold }) => (mayHold ? 3 : queue.length > 0 ? 2 : 1));
  }

  #fill(client: PlannedClient): void {
    const random = this.#random;
    if (client.open.size > 0 && client.stepsLeft-- <= 0) {
      this.#end(client);
    } else if (this.#probes.length > 0 && random.chance(PROBES)) {
      const count = 1 + random.below(3);
      for (let i = 0; i < count; i++) this.#add(client, this.#pick(client, this.#probes));
    } else {
      const kinds = this.#kinds.get(client.style);
      this.#add(client, this.#pick(client, kinds ?? []));
    }
  }

  #pick(client: PlannedClient, kinds: readonly Kind[]): Kind {
    const holders = this.#clients.filter((one) => one !== client && one.mayHold).length;
    const mayHold = holders < this.#holders;
    const allowed = mayHold ? kinds : kinds.filter(({ opens }) => opens.length === 0);
    return this.#random.weighted(
      allowed.length > 0 ? allowed : this.#probes.filter(({ opens }) => opens.length === 0),
      ({ weight, opens }) => (opens.length > 0 ? weight * 2 : weight),
    );
  }

  #add(client: PlannedClient, kind: Kind): void {
    const operations = kind.make(this.#random);
    this.#queue(client, kind, operations);
    if (kind.meanwhile !== null) this.#pair(client, kind, kind.meanwhile(this.#random, operations));
    if (operations.some(({ do: what }) => RESETTING.has(what))) client.open.clear();
    if (kind.opens.length > 0 && client.open.size === 0) client.stepsLeft = this.#random.below(LONGEST_HOLD);
    for (const hold of kind.opens) client.open.add(hold);
  }

  #queue(client: PlannedClient, kind: Kind, operations: readonly Operation[]): void {
    for (const operation of operations) {
      if (RESETTING.has(operation.do)) this.#leaveRole(client);
      client.queue.push({ kind: kind.name, operation, showsId: kind.showsId });
    }
  }

  /** Lets another client, one that holds nothing, do its part of a kind that takes two. */
  #pair(client: PlannedClient, kind: Kind, operations: readonly Operation[]): void {
    const others = this.#clients.filter(
      (one) => one !== client && !one.mayHold && kind.styles.includes(one.style),
    );
    if (others.length === 0 || this.#together.length > 0) return;
    const other = this.#random.pick(others);
    this.#queue(other, kind, operations);
    this.#together = [client, other];
  }

  /** A role survives the server's own reset; the proxy's clients have none afterwards, by design. */
  #leaveRole(client: PlannedClient): void {
    if (!client.open.has(Hold.Role)) return;
    client.queue.push({ kind: 'end', operation: query('SET ROLE NONE'), showsId: false });
  }

  #end(client: PlannedClient): void {
    const random = this.#random;
    const holds = [...client.open];
    const byStatements = holds.every((hold) => ENDED_BY_STATEMENT.has(hold));
    const push = (operation: Operation): void => {
      client.queue.push({ kind: 'end', operation, showsId: false });
    };
    for (const hold of holds) {
      const endings = ENDINGS[hold];
      if (endings.length > 0 && random.chance(byStatements ? 1 : 0.6)) push(query(random.pick(endings)));
    }
    if (!byStatements) this.#leaveRole(client);
    if (!byStatements) push(random.chance(0.85) ? { do: 'reset' } : { do: 'reconnect', schema: '{db}' });
    client.open.clear();
    client.closing = true;
  }
}
