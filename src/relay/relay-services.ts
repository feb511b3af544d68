import type { ServerAccount, Upstream } from '../backend/upstream.js';
import type { StatementClassifier } from '../sql/trait-cache.js';
import type { AppProcesses } from './app-processes.js';
import type { Authentication } from './authentication.js';
import type { UserTerms } from './client-identity.js';
import type { ClientRegistry } from './client-registry.js';
import type { FoundRowsUse } from './diagnostics.js';
import type { ForkCheck } from './fork-check.js';
import type { HoldRegister } from './hold-register.js';
import type { Killer } from './killer.js';
import type { LearnedAnswers } from './learned-answers.js';
import type { OutputBuffer } from './output-buffer.js';
import type { RelayCounters } from './relay-counters.js';
import type { RoutineWatch } from './routine-watch.js';
import type { ServerPools, SessionCleaner } from './session-cleaner.js';
import type { SharedSocket } from './shared-socket.js';
import type { TimeLimit } from './time-limits.js';
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
}

/** For the log. */
export interface ReachedLimit {
  readonly client: number;
  readonly user: string;
  /** The server's own id; null where the client has no session now. */
  readonly serverSession: number | null;
  readonly limit: TimeLimit;
  readonly seconds: number;
}

/** For the log: a COM_CHANGE_USER that was refused. */
export interface DeniedChange {
  readonly client: number;
  /** Who it said it is. */
  readonly user: string;
  readonly errno: number;
  readonly reason: string;
}

/** For metrics and logs; called in the middle of things, so it must not throw. */
export interface RelayObserver {
  /** A client ended; `reason` says why when it was not its own wish. */
  clientClosed?(connectionId: number, reason: string): void;
  /** A client reached a time limit. */
  limitReached?(reached: ReachedLimit): void;
  /** A client that is logged in is not who it now says. */
  changeDenied?(denied: DeniedChange): void;
  /** Two processes used a client's connection. */
  socketShared?(shared: SharedSocket): void;
}

/** What all clients of one proxy share. */
export interface RelayServices {
  readonly upstream: Upstream;
  readonly pools: ServerPools;
  readonly cleaner: SessionCleaner;
  readonly classifier: StatementClassifier;
  readonly killer: Killer;
  readonly clients: ClientRegistry;
  readonly processes: AppProcesses;
  readonly output: OutputBuffer;
  readonly foundRowsUse: FoundRowsUse;
  /** Schemas known to exist for an account, so that a login with one needs no round trip. */
  readonly knownSchemas: KnownSchemas;
  /** Answers to what clients send when they connect. */
  readonly learned: LearnedAnswers;
  readonly sessionMode: boolean;
  /** `on_client_disconnect: finish` */
  readonly finishAbandoned: boolean;
  /** Which clients hold a session, and why. */
  readonly holds: HoldRegister;
  /** `on_unsafe` and `max_held`. */
  readonly unsafe: UnsafePolicy;
  readonly counters: RelayCounters;
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
