import { setTimeout as sleep } from 'node:timers/promises';
import type { RawLogin } from '../support/raw-client.js';
import type { OracleClient } from './client.js';
import { DriverClient } from './driver-client.js';
import { ClientStyle, type Plan, type Step } from './model.js';
import { type Names, Side, schemaOf, spell } from './names.js';
import { RawOracleClient } from './raw-client.js';
import { loginTo, type OracleServer } from './server.js';
import type { World } from './world.js';

export interface Difference {
  /** Position of the step in the plan. */
  readonly at: number;
  readonly step: Step;
  readonly direct: readonly string[];
  readonly proxied: readonly string[];
}

export interface ExecutionOptions {
  readonly server: OracleServer;
  readonly world: World;
  /** Where the other side connects: the proxy, or the server itself. */
  readonly proxy: { readonly host: string; readonly port: number };
  readonly plan: Plan;
  /** Each step waits for the one before, so that a plan has one course only (but for clients that must wait). */
  readonly serial: boolean;
  /** No further steps from this moment on (`Date.now()`). */
  readonly until: number;
  onStep?(step: Step): void;
}

/** Gives FOUND_ROWS() a value, and ends the warnings, as MariaDB does where there is a table. */
const ANY_ROWS = { do: 'query', sql: 'SELECT 1 FROM (SELECT 1 AS x) AS t' } as const;

/** Errors about prepared statements, which leave no warnings on any server session. */
const ANSWERED_BY_THE_PROXY = /^ERR (1210|1243) .*(mysqld_stmt|stmt_fetch|stmt_reset|\(id\))/;

/** A step that takes longer lets the others go on: it may wait for a session that one of them holds. */
const PATIENCE_MS = { serial: 150, usual: 40 } as const;
const NO_REPLY_MS = 40_000;

/** Runs a plan on both sides and compares after every step. Resolves with the first difference, or null. */
export async function execute(options: ExecutionOptions): Promise<Difference | null> {
  const { plan } = options;
  const execution = new Execution(options);
  try {
    await execution.open([...new Set(plan.steps.map(({ client }) => client))]);
    for (const [at, step] of plan.steps.entries()) {
      if (execution.difference !== null || Date.now() > options.until) break;
      await execution.step(at, step);
    }
    await execution.drained();
    return execution.difference;
  } finally {
    execution.close();
  }
}

class Execution {
  difference: Difference | null = null;
  readonly #options: ExecutionOptions;
  readonly #pairs = new Map<number, Pair>();

  constructor(options: ExecutionOptions) {
    this.#options = options;
  }

  async open(clients: readonly number[]): Promise<void> {
    for (const client of clients) {
      const pair = new Pair(this.#options, client);
      this.#pairs.set(client, pair);
      await pair.open();
    }
  }

  async step(at: number, step: Step): Promise<void> {
    const pair = this.#pairs.get(step.client);
    if (pair === undefined) throw new RangeError(`no client ${step.client}`);
    const { serial, onStep } = this.#options;
    const done = pair.add(async () => {
      if (this.difference !== null && this.difference.at < at) return;
      const [direct, proxied] = await pair.perform(step);
      onStep?.(step);
      if (same(direct, proxied)) return;
      if (this.difference === null || at < this.difference.at)
        this.difference = { at, step, direct, proxied };
    });
    if (step.race && !serial) return;
    const patience = new AbortController();
    const impatient = sleep(serial ? PATIENCE_MS.serial : PATIENCE_MS.usual, undefined, {
      signal: patience.signal,
    }).catch(() => undefined);
    await Promise.race([done, impatient]);
    patience.abort();
  }

  /**
   * Waits for the steps under way, but not for those that come after a difference and may wait for ever. A client whose steps are
   * done leaves, as it may hold what another waits for.
   */
  async drained(): Promise<void> {
    const all = Promise.all([...this.#pairs.values()].map((pair) => pair.add(async () => pair.destroy())));
    if (this.difference !== null) {
      const patience = new AbortController();
      await Promise.race([all, sleep(200, undefined, { signal: patience.signal }).catch(() => undefined)]);
      patience.abort();
    } else {
      await all;
    }
  }

  close(): void {
    for (const pair of this.#pairs.values()) pair.destroy();
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, i) => line === b[i]);
}

/** One client on both sides; its steps run one after the other. */
class Pair {
  tail: Promise<void> = Promise.resolve();
  readonly #direct: Connection;
  readonly #proxied: Connection;

  constructor({ server, world, proxy, plan }: ExecutionOptions, client: number) {
    const style = plan.styles[client] ?? ClientStyle.Text;
    const { role } = server;
    const direct = { tag: world.tag(client, Side.Direct), role };
    const proxied = { tag: world.tag(client, Side.Proxied), role };
    this.#direct = new Connection(style, loginTo(server, ''), direct);
    this.#proxied = new Connection(style, { ...loginTo(server, ''), ...proxy }, proxied);
  }

  add(task: () => Promise<void>): Promise<void> {
    this.tail = this.tail.then(task);
    return this.tail;
  }

  async open(): Promise<void> {
    await Promise.all([this.#direct.open('{db}'), this.#proxied.open('{db}')]);
  }

  perform(step: Step): Promise<[readonly string[], readonly string[]]> {
    return Promise.all([this.#direct.perform(step), this.#proxied.perform(step)]);
  }

  destroy(): void {
    this.#direct.destroy();
    this.#proxied.destroy();
  }
}

/** One client of one side, which connects anew when told to, or when it was cut off. */
class Connection {
  readonly #style: ClientStyle;
  readonly #login: RawLogin;
  readonly #names: Names;
  #client: OracleClient | null = null;
  #destroyed = false;

  constructor(style: ClientStyle, login: RawLogin, names: Names) {
    this.#style = style;
    this.#login = login;
    this.#names = names;
  }

  async open(schema: string): Promise<void> {
    const login = { ...this.#login, schema: spell(schema, this.#names, 0) };
    const client =
      this.#style === ClientStyle.Driver
        ? await DriverClient.open(login, this.#names)
        : await RawOracleClient.open(this.#style, login, this.#names);
    if (this.#destroyed) client.destroy();
    this.#client = client;
    // MariaDB begins with the FOUND_ROWS() of whoever had the thread before.
    await client.perform(ANY_ROWS, false);
  }

  async perform({ operation, showsId }: Step): Promise<readonly string[]> {
    const late = new AbortController();
    const noReply = sleep(NO_REPLY_MS, ['no reply in time'], { signal: late.signal }).catch(() => ['']);
    const lines = await Promise.race([this.#perform(operation, showsId), noReply]);
    late.abort();
    return lines;
  }

  async #perform(operation: Step['operation'], showsId: boolean): Promise<readonly string[]> {
    if (this.#destroyed) return ['destroyed'];
    if (operation.do === 'reconnect') return this.#reconnect(operation.schema);
    if (this.#client === null || this.#client.dead) await this.open('{db}');
    if (this.#client === null) throw new TypeError('there is no connection');
    const lines = await this.#client.perform(operation, showsId);
    // The server's own FOUND_ROWS() survives a reset.
    const isReset = operation.do === 'reset' || operation.do === 'change_user';
    if (!isReset && !lines.some((line) => ANSWERED_BY_THE_PROXY.test(line))) return lines;
    return [...lines, ...(await this.#client.perform(ANY_ROWS, false))];
  }

  /** What the old connection held must be free when the new one asks for it, so it is reset first. */
  async #reconnect(schema: string): Promise<readonly string[]> {
    const client = this.#client;
    const reset = client === null || client.dead ? ['dead'] : await client.perform({ do: 'reset' }, false);
    client?.destroy();
    try {
      await this.open(schema);
      return reset;
    } catch (error) {
      this.#client = null;
      return [...reset, `login: ${String(error).replaceAll(schemaOf(this.#names.tag), '')}`];
    }
  }

  destroy(): void {
    this.#destroyed = true;
    this.#client?.destroy();
  }
}
