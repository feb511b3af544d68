import type { ServerAccount, Upstream } from '../backend/upstream.js';
import type { StatementClassifier } from '../sql/trait-cache.js';
import type { AllPools } from './all-pools.js';
import type { AppProcesses } from './app-processes.js';
import type { Authentication } from './authentication.js';
import type { ClientIdentities, UserTerms } from './client-identity.js';
import type { ClientRegistry } from './client-registry.js';
import type { CommandTimers, SlowQueries } from './command-times.js';
import type { FoundRowsUse } from './diagnostics.js';
import type { StatementDigest } from './digest-table.js';
import type { DryRun } from './dry-run.js';
import type { ForkCheck } from './fork-check.js';
import type { HoldRegister } from './hold-register.js';
import type { LearnedAnswers } from './learned-answers.js';
import type { OtherWorkers } from './other-workers.js';
import type { OutputBuffer } from './output-buffer.js';
import type { OwnWrites } from './own-writes.js';
import type { RelayCounters } from './relay-counters.js';
import type { RelayObserver } from './relay-observer.js';
import type { Routes } from './routes.js';
import type { RoutineWatch } from './routine-watch.js';
import type { Servers } from './servers.js';
import type { StatementDigests } from './statement-digests.js';
import type { UnsafePolicy } from './unsafe-policy.js';
import type { UserPlaces } from './user-places.js';

/** What identifies a client to an authentication in mid-connection. */
export interface AuthenticationContext {
  readonly scramble: Buffer;
  readonly secure: boolean;
  readonly remote:
    | { readonly kind: 'tcp'; readonly address: string; readonly port: number }
    | { readonly kind: 'unix' };
  /** SHA-256 of the certificate that the client was shown; null without TLS. */
  readonly fingerprint: Buffer | null;
  /** The name in the certificate that the client has shown; null without. */
  readonly certificate: string | null;
}

/** What clients are told of the server, and what their statements are read by: the same whichever server they run on. */
export type ServerKnowledge = Pick<Upstream, 'facts' | 'isGalera' | 'trackers' | 'registry' | 'whenKnown'>;

/** What all clients of one proxy share. */
export interface RelayServices {
  readonly servers: Servers;
  /** Which of several servers clients use; null for one alone. */
  readonly routes: Routes | null;
  /** What is known of the servers, which are of one kind. */
  readonly upstream: ServerKnowledge;
  /** Those of all servers; whoever has a session asks its own server's. */
  readonly pools: AllPools;
  readonly classifier: StatementClassifier<StatementDigest>;
  readonly clients: ClientRegistry;
  /** Processes that serve the same clients; null where there are none. */
  readonly others: OtherWorkers | null;
  readonly processes: AppProcesses;
  readonly output: OutputBuffer;
  /** Null where no pool has `read_your_writes`. */
  readonly ownWrites: OwnWrites | null;
  /** `wsrep_sync_wait`; null where it is as the server has it. */
  readonly syncWait: number | null;
  readonly foundRowsUse: FoundRowsUse;
  /** Schemas known to exist for an account, so that a login with one needs no round trip. */
  readonly knownSchemas: KnownSchemas;
  /** Answers to what clients send when they connect. */
  readonly learned: LearnedAnswers;
  readonly sessionMode: boolean;
  /** `dry_run`, in pool mode `session` only; else null. */
  readonly dryRun: DryRun | null;
  /** `on_client_disconnect: finish` */
  readonly finishAbandoned: boolean;
  /** Which clients hold a session, and why. */
  readonly holds: HoldRegister;
  /** `on_unsafe` and `max_held`. */
  readonly unsafe: UnsafePolicy;
  readonly counters: RelayCounters;
  readonly times: CommandTimers;
  /** What statements cost, by their digests; null where `top_queries` is 0. */
  readonly digests: StatementDigests | null;
  /** `slow_query_threshold`. */
  readonly slow: SlowQueries;
  /** `fork_guard`; null when it is off, or where the system shows nothing of other processes. */
  readonly forks: ForkCheck | null;
  /** Limits of users. */
  readonly places: UserPlaces;
  /** What routines, triggers and views do to sessions. */
  readonly routines: RoutineWatch;
  /** Largest command accepted from a client, in bytes. */
  readonly maxPacketSize: number;
  readonly observer: RelayObserver;
  termsOf(userName: string): UserTerms;
  readonly identities: ClientIdentities;
  authentication(context: AuthenticationContext): Authentication;
}

/** Schemas that were seen to exist, by account. */
export class KnownSchemas {
  readonly #byAccount = new Map<ServerAccount, Set<string>>();

  has(account: ServerAccount, schema: string): boolean {
    return this.#byAccount.get(account)?.has(schema) ?? false;
  }

  add(account: ServerAccount, schema: string): void {
    let schemas = this.#byAccount.get(account);
    if (schemas === undefined) {
      schemas = new Set();
      this.#byAccount.set(account, schemas);
    }
    // A server with more schemas than this pays a round trip now and then.
    if (schemas.size >= MAX_KNOWN) schemas.clear();
    schemas.add(schema);
  }

  forgetAccount(account: ServerAccount): void {
    this.#byAccount.delete(account);
  }

  forget(account: ServerAccount, schema: string): void {
    this.#byAccount.get(account)?.delete(schema);
  }
}

const MAX_KNOWN = 10_000;
