import * as z from 'zod';
import type { ConsoleRows, ConsoleSource, OwnRows } from '../admin/console/source.js';
import { LONE_WORKER, type WorkerBus } from '../workers/bus.js';
import { AllPauses, type OwnPauses } from './all-pauses.js';
import { MERGED } from './merged-rows.js';
import { Topic } from './topic.js';

/** What the console of one worker shows and does of its own; what is not of one worker alone comes as it is to be. */
export interface OwnConsole
  extends OwnRows,
    Omit<ConsoleSource, keyof ConsoleRows | 'killClient' | 'reconnect' | 'pause' | 'resume'> {
  readonly pauses: OwnPauses;
  killClient(id: number): boolean;
  /** @throws CommandRefused */
  reconnect(server: string | null): void;
}

const VIEWS = [
  'pools',
  'clients',
  'servers',
  'upstreams',
  'holds',
  'stats',
  'users',
  'profiles',
  'fleet',
] as const;
const view = z.enum(VIEWS satisfies readonly (keyof ConsoleRows)[]);
const rows = z.array(z.record(z.string(), z.union([z.string(), z.number(), z.null()])));

type View = z.infer<typeof view>;
type Rows = z.infer<typeof rows>;

export interface AllConsole {
  readonly source: ConsoleSource;
  /** {@link AllPauses.adopt} */
  readonly adoptPauses: () => Promise<void>;
}

/**
 * The console of a proxy with several workers: the same at each of them. What it orders concerns those as well that another
 * generation of processes has taken over from, and that drain.
 */
export function allConsole(bus: WorkerBus, own: OwnConsole): AllConsole {
  const { pauses } = own;
  const alone = {
    ...own,
    // It is not known from the start.
    get serverVersion() {
      return own.serverVersion;
    },
    pause: (pool: string | null) => pauses.pause(pool),
    resume: (pool: string | null) => pauses.resume(pool),
  };
  if (bus === LONE_WORKER) return { source: alone, adoptPauses: () => Promise.resolve() };
  const views = new Topic<View, Rows>(bus, {
    name: 'console.rows',
    question: view,
    answer: rows,
    own: (name) => own[name]() as readonly unknown[] as Rows,
  });
  const kill = new Topic<number, boolean>(bus, {
    name: 'console.kill',
    question: z.int(),
    answer: z.boolean(),
    own: (id) => own.killClient(id),
  });
  const reconnect = new Topic<string | null, null>(bus, {
    name: 'console.reconnect',
    question: z.string().nullable(),
    answer: z.null(),
    own: (server) => {
      own.reconnect(server);
      return null;
    },
  });
  const all = new AllPauses(bus, pauses);
  const shown = Object.fromEntries(
    VIEWS.map((name) => [name, async () => MERGED[name](await views.all(name))]),
  ) as unknown as { [K in View]: () => Promise<readonly ConsoleRows[K][]> };
  const source: ConsoleSource = {
    ...own,
    get serverVersion() {
      return own.serverVersion;
    },
    ...(bus.count === 1 ? {} : shown),
    killClient: async (id) =>
      own.killClient(id) || (await kill.everyone(id)).parts.some(({ value }) => value),
    reconnect: async (server) => {
      await reconnect.everyone(server);
    },
    pause: (pool) => all.pause(pool),
    resume: (pool) => all.resume(pool),
  };
  return { source, adoptPauses: () => all.adopt() };
}
