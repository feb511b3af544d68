import * as z from 'zod';
import type { RegisteredClient } from '../relay/client-registry.js';
import { goneSessions } from '../relay/gone-sessions.js';
import type { KillOutcome, KillQuestion, OtherWorkers } from '../relay/other-workers.js';
import type { RelayServices } from '../relay/relay-services.js';
import { NOBODY_ASKED, type WorkerBus } from '../workers/bus.js';
import { GONE_SESSIONS } from '../workers/permits.js';

const killQuestion = z.object({ id: z.int(), connection: z.boolean(), userName: z.string() });
const killOutcome = z.union([
  z.object({ kind: z.enum(['unknown', 'not_owner', 'killed']) }),
  z.object({ kind: z.literal('failed'), message: z.string() }),
]);
const goneQuestion = z.object({ server: z.string(), user: z.string(), ids: z.array(z.string()) });
const clientCounts = z.object({ loggedIn: z.int(), now: z.int() });
const setting = z.object({ key: z.string(), text: z.string() });
const settings = z.array(setting);

export type Setting = z.infer<typeof setting>;
export type ClientCounts = z.infer<typeof clientCounts>;

/** What the others are asked. */
const Topic = {
  kill: 'clients.kill',
  hasSession: 'sessions.has',
  counts: 'clients.counts',
  set: 'config.set',
  settings: 'config.settings',
  reload: 'config.reload',
} as const;

const UNKNOWN: KillOutcome = { kind: 'unknown' };

/** The configuration as it is changed at the console of any worker. */
export interface SharedSettings {
  /** Values given by SET since the configuration was read; null while that is being asked. */
  given(): readonly Setting[] | null;
  /** By a SET at another worker's console. */
  take(setting: Setting): void | Promise<void>;
  /** By a RELOAD at another worker's console. */
  reloadToo(): void | Promise<void>;
}

/** This process among those that serve the same clients: what it asks them, and what it answers. */
export class WorkerTeam implements OtherWorkers {
  readonly #bus: WorkerBus;

  constructor(bus: WorkerBus) {
    this.#bus = bus;
  }

  /** From here on, the others may ask this one. */
  answerFor({ clients, pools, servers }: RelayServices, config: SharedSettings): void {
    const bus = this.#bus;
    bus.answer(Topic.kill, (question) => {
      const kill = killQuestion.parse(question);
      return killed(clients.get(kill.id), kill);
    });
    bus.answer(Topic.hasSession, (question) => {
      const id = z.string().parse(question);
      return [...pools.sessions()].some(({ session }) => String(session.connectionId) === id);
    });
    bus.answer(GONE_SESSIONS, (question) => {
      const { server: name, user, ids } = goneQuestion.parse(question);
      const server = servers.all.find((one) => one.name === name);
      return server === undefined ? [] : goneSessions(server.killer, user, ids);
    });
    bus.answer(Topic.counts, () => ({ loggedIn: clients.entered, now: clients.size }));
    bus.answer(Topic.set, (question) => config.take(setting.parse(question)));
    bus.answer(Topic.settings, () => config.given());
    bus.answer(Topic.reload, () => config.reloadToo());
  }

  async kill(question: KillQuestion): Promise<KillOutcome> {
    const { answers } = await this.#bus.askEveryone(Topic.kill, question).catch(() => NOBODY_ASKED);
    for (const { answer } of answers) {
      const { success, data } = killOutcome.safeParse(answer);
      if (success && data.kind !== 'unknown') return data;
    }
    return UNKNOWN;
  }

  async hasSession(connectionId: bigint): Promise<boolean> {
    const { answers } = await this.#bus
      .askEveryone(Topic.hasSession, String(connectionId))
      .catch(() => NOBODY_ASKED);
    return answers.some(({ answer }) => answer === true);
  }

  /** With those of this process, over all that have clients, also after a restart. Never rejects. */
  async clientCounts(own: ClientCounts): Promise<ClientCounts> {
    const { answers } = await this.#bus.askEveryone(Topic.counts, null).catch(() => NOBODY_ASKED);
    let { loggedIn, now } = own;
    for (const { answer } of answers) {
      const { success, data } = clientCounts.safeParse(answer);
      if (!success) continue;
      loggedIn += data.loggedIn;
      now += data.now;
    }
    return { loggedIn, now };
  }

  /** A key has another value by SET. Resolves when the others have it. Never rejects. */
  async set(change: Setting): Promise<void> {
    await this.#bus.ask(Topic.set, change).catch(() => []);
  }

  /** The configuration is to be read anew. Resolves when the others have done so. Never rejects. */
  async reload(): Promise<void> {
    await this.#bus.ask(Topic.reload, null).catch(() => []);
  }

  /** What has been SET before this process was there. Never rejects. */
  async settings(): Promise<readonly Setting[]> {
    const answers = await this.#bus.ask(Topic.settings, null).catch(() => []);
    // All that know know the same; one that is just starting as well says nothing (null).
    for (const { answer } of answers) {
      const { success, data } = settings.safeParse(answer);
      if (success) return data;
    }
    return [];
  }
}

function killed(
  client: RegisteredClient | undefined,
  { connection, userName }: KillQuestion,
): KillOutcome | Promise<KillOutcome> {
  if (client === undefined) return UNKNOWN;
  if (client.userName !== userName) return { kind: 'not_owner' };
  if (connection) {
    client.killConnection();
    return { kind: 'killed' };
  }
  return new Promise((resolve) => {
    client.killQuery((error) =>
      resolve(error === null ? { kind: 'killed' } : { kind: 'failed', message: error.message }),
    );
  });
}
