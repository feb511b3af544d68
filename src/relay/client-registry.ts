import type { ServerAccount } from '../backend/upstream.js';
import type { SessionProfile } from '../session/profile.js';
import { TurnoverMap } from '../turnover-map.js';

/** What a client is doing: `held` is idle with a server session that it keeps. */
export type ClientState = 'idle' | 'held' | 'waiting' | 'active';

/** A client as listings show it. */
export interface ClientDescription {
  readonly state: ClientState;
  /** Null over a unix socket. */
  readonly address: string | null;
  readonly port: number | null;
  readonly schema: string | null;
  /** Ms since the epoch. */
  readonly connectedAt: number;
  /** How long its command has waited for a server session, in ms; 0 when it does not. */
  readonly waitedMs: number;
  /** `HoldReason` bits. */
  readonly holds: number;
  readonly profile: SessionProfile | null;
  readonly attributes: ReadonlyMap<string, string>;
}

/** A connected client, as KILL and the operator see it. */
export interface RegisteredClient {
  /** Virtual connection id: what the greeting said. */
  readonly connectionId: number;
  readonly userName: string;
  /** On whose sessions it runs. */
  readonly account: ServerAccount;
  /** Ends the statement it is running, if any. */
  killQuery(done: (error: Error | null) => void): void;
  /** Closes the connection, with an error for the client where it waits for a reply. */
  killConnection(): void;
  /** It is there when the proxy begins to drain. */
  beginDrain(): void;
  /** The proxy drains; see `ClientDrain.tick`. */
  drainTick(patience: number): void;
  /** Closes the connection, with an error where the client waits for a reply: the proxy stops. */
  shutDown(): void;
  /** A second has passed: closes the connection if it has been idle for as long as it may. */
  secondPassed(): void;
  close(reason: string): void;
  /** The server session lent to it right now, by the server's own id; null when none is. */
  readonly serverConnectionId: number | null;
  readonly state: ClientState;
  describe(): ClientDescription;
}

/**
 * Connected clients by virtual id. Virtual ids have bit 30 set (not 31: some drivers read ids as signed), so they never meet the server's own ids, which leak
 * through the processlist: a KILL of one never reaches the owner of the other by accident.
 */
export class ClientRegistry {
  readonly #clients = new TurnoverMap<number, RegisteredClient>();
  #last = 0;
  #entered = 0;
  readonly #base: number;

  /** @param idSpace from 0 to 63: of the processes that serve the same clients, each has another one */
  constructor(idSpace = 0) {
    this.#base = VIRTUAL_BIT + (idSpace << COUNTER_BITS);
  }

  get size(): number {
    return this.#clients.size;
  }

  [Symbol.iterator](): IterableIterator<RegisteredClient> {
    return this.#clients.values();
  }

  /** A free id. */
  nextId(): number {
    do {
      this.#last = (this.#last + 1) & COUNTER_MASK;
    } while (this.#clients.has(this.#base + this.#last));
    return this.#base + this.#last;
  }

  get(id: number): RegisteredClient | undefined {
    return this.#clients.get(id);
  }

  /** Clients that have been here since the start. */
  get entered(): number {
    return this.#entered;
  }

  add(client: RegisteredClient): void {
    this.#entered++;
    this.#clients.set(client.connectionId, client);
  }

  remove({ connectionId }: Pick<RegisteredClient, 'connectionId'>): void {
    this.#clients.delete(connectionId);
  }
}

const VIRTUAL_BIT = 0x40000000;
/** Bits 24 to 29 are for the process. */
const COUNTER_BITS = 24;
const COUNTER_MASK = (1 << COUNTER_BITS) - 1;

export function isVirtualId(id: number): boolean {
  return id >= VIRTUAL_BIT && id < 2 * VIRTUAL_BIT;
}
