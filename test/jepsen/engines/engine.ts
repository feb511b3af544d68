import type { Random } from '../../oracle/random.js';
import type { TcpAddress } from '../../support/listening.js';
import type { Flavor } from '../../support/servers.js';

export const ENGINES = ['single', 'galera', 'group', 'replicas'] as const;
export type EngineName = (typeof ENGINES)[number];

/** What an engine itself promises; no proxy can do better. */
export interface EnginePromises {
  /** What was acknowledged outlives every fault that is put into the engine, but for its {@link Engine.losses}. */
  readonly keepsAcknowledged: boolean;
  /** Whoever begins later sees what was acknowledged before, over whichever node that takes writes. */
  readonly readsFresh: boolean;
  /** SERIALIZABLE means it. */
  readonly serializable: boolean;
}

/** Acknowledged after `after` and begun before `until`, on the round's clock: it may be lost with the node that it was done on. */
export interface LossWindow {
  readonly after: number;
  readonly until: number;
}

/** A statement of the administrator's; rows of what has any. */
export type AdminQuery = (sql: string) => Promise<readonly Record<string, unknown>[]>;

/** A server, or several that belong together, of which nodes may be ended, frozen and cut off: one at a time. */
export interface Engine {
  readonly name: EngineName;
  readonly flavor: Flavor;
  readonly version: string;
  /** Of the application, on a schema that is its own. */
  readonly login: { readonly user: string; readonly password: string; readonly schema: string };
  /** By node: where it listens, whether it is up or not. */
  readonly nodes: readonly TcpAddress[];
  /** A node that stands still for so long, in ms, is given up by the others; for less, not. */
  readonly givesUpAfterMs: number;
  /** What was lost in this round with the engine's own leave: empty where it keeps what it acknowledges. */
  readonly losses: readonly LossWindow[];

  /** @param faults - names of what is done to it */
  promises(faults: readonly string[]): EnginePromises;
  /** @param clock - the place of this moment in the order of all beginnings and ends */
  beginRound(clock: () => number): void;
  /** A node that takes writes now, as the engine tells whoever asks. @throws while there is none */
  writable(random: Random): Promise<number>;
  /** Runs a statement as the administrator, on a node or, if none is named, where writes are taken now. @throws while it is down */
  query<Row extends object = Record<string, unknown>>(sql: string, node?: number): Promise<Row[]>;
  /** A connection of the administrator's does something, and is closed whatever comes of it. */
  asAdmin<T>(node: number, run: (query: AdminQuery) => Promise<T>): Promise<T>;
  /** SIGKILL, or SIGTERM where it ends in an orderly way; resolves when the process has ended. */
  kill(node: number, orderly: boolean): Promise<void>;
  /** Starts a node that was killed; resolves when it is back among the others. */
  start(node: number): Promise<void>;
  /** SIGSTOP; resolves when it stands still. */
  freeze(node: number): Promise<void>;
  /** Resolves when it is back among the others, who may have given it up. */
  thaw(node: number): Promise<void>;
  /** This machine allows it to be {@link cut}. */
  readonly canBeCut: boolean;
  /** Between this node and the others. The network to clients is somebody else's. */
  cut(node: number): Promise<void>;
  /** The end of {@link cut}; resolves when it is back among the others. */
  join(node: number): Promise<void>;
  /**
   * Makes another node the one that takes writes: as an operator does who has time, or where the old one is gone for good.
   * @throws where the engine elects by itself
   */
  promote(forced: boolean, random: Random): Promise<void>;
  /** A node that does not take writes falls behind, and catches up again; nothing where there is none. */
  lag(random: Random): Promise<void>;
  /** All nodes are up, reach each other, and take writes where they should. */
  heal(): Promise<void>;
  /** Resolves when nothing is open that clients have begun, and the nodes have the same data. @throws when that does not come */
  settle(): Promise<void>;
  /** Reads what is there when all is over, on every node; @throws NodesDiffer */
  finalRead<Row extends object = Record<string, unknown>>(sql: string): Promise<Row[]>;
  close(): Promise<void>;
}

/** Nodes have different data when all is over. */
export class NodesDiffer extends Error {}
