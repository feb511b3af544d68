import { setTimeout as sleep } from 'node:timers/promises';
import type { TestServer } from '../../support/servers.js';

/** What a client does over and over: a plain read, a write outside transactions, a transaction of two writes. */
export const KINDS = ['read', 'write', 'transaction'] as const;
export type Kind = (typeof KINDS)[number];

export interface Failure {
  /** Which of the client's rounds: the row that it would have written has this number. */
  readonly n: number;
  readonly errno: number;
  readonly message: string;
}

/** What one client has met. */
export interface ClientReport {
  readonly client: string;
  readonly kind: Kind;
  /** When its rounds succeeded, by the system's clock, in ms. */
  readonly succeededAt: readonly number[];
  readonly failures: readonly Failure[];
  /** Connections that it opened, and tried to open where that failed. */
  readonly connects: number;
}

/** Clients that each have one connection, keep it, and open another only when it is gone. */
export interface KeptClients {
  /** They work, and each has had a success since this was called. */
  go(): Promise<void>;
  /** They are at rest. */
  pause(): Promise<void>;
  /** Since the last one; while they are at rest. */
  report(): Promise<ClientReport[]>;
}

export interface KeptPlan {
  /** Of the database. */
  readonly url: string;
  /** Beginning of the clients' names, which are in the rows they write. */
  readonly name: string;
  /** Between two rounds of a client, and the two writes of a transaction. */
  readonly pauseMs: number;
  readonly clients: Readonly<Record<Kind, number>>;
}

/** Before the round after one that failed, in ms. */
export const AFTER_FAILURE_MS = 50;

/** The tables that the clients use. There is no unique key, so that a statement that was run twice is seen. */
export async function createTables(server: TestServer, schema: string): Promise<void> {
  await server.query(`CREATE TABLE ${schema}.kept (id INT PRIMARY KEY, v INT NOT NULL) ENGINE=InnoDB`);
  await server.query(`INSERT INTO ${schema}.kept VALUES (1, 7)`);
  await server.query(
    `CREATE TABLE ${schema}.work (client VARCHAR(64) NOT NULL, n INT NOT NULL, part INT NOT NULL, KEY (client, n)) ENGINE=InnoDB`,
  );
}

/** A client of this process: goes round after round, and keeps count. */
export abstract class KeptClient {
  readonly name: string;
  readonly kind: Kind;
  protected readonly pauseMs: number;
  protected connects = 0;
  #round = 0;
  #going = false;
  #atRest: Promise<void> = Promise.resolve();
  #onSuccess: () => void = () => {};
  #succeededAt: number[] = [];
  #failures: Failure[] = [];

  constructor({ name, pauseMs }: KeptPlan, kind: Kind, number: number) {
    this.name = `${name}-${kind}-${number}`;
    this.kind = kind;
    this.pauseMs = pauseMs;
  }

  /** One round; calls {@link failed} for each error, and throws none. @returns whether it has succeeded */
  protected abstract once(n: number): Promise<boolean>;

  protected failed(n: number, errno: number, message: string): void {
    this.#failures.push({ n, errno, message });
  }

  async go(): Promise<void> {
    const succeeded = new Promise<void>((resolve) => {
      this.#onSuccess = resolve;
    });
    if (!this.#going) {
      this.#going = true;
      this.#atRest = this.#work();
    }
    await succeeded;
  }

  pause(): Promise<void> {
    this.#going = false;
    return this.#atRest;
  }

  report(): ClientReport {
    const met = {
      client: this.name,
      kind: this.kind,
      succeededAt: this.#succeededAt,
      failures: this.#failures,
      connects: this.connects,
    };
    this.connects = 0;
    this.#succeededAt = [];
    this.#failures = [];
    return met;
  }

  async #work(): Promise<void> {
    while (this.#going) {
      const isDone = await this.once(this.#round++);
      if (isDone) {
        this.#succeededAt.push(Date.now());
        this.#onSuccess();
      }
      await sleep(isDone ? this.pauseMs : AFTER_FAILURE_MS);
    }
  }
}

/** Clients of this process. */
export class KeptGroup implements KeptClients {
  readonly #clients: readonly KeptClient[];

  constructor(plan: KeptPlan, create: (kind: Kind, number: number) => KeptClient) {
    this.#clients = KINDS.flatMap((kind) =>
      Array.from({ length: plan.clients[kind] }, (_, number) => create(kind, number)),
    );
  }

  async go(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.go()));
  }

  async pause(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.pause()));
  }

  async report(): Promise<ClientReport[]> {
    return this.#clients.map((client) => client.report());
  }
}
