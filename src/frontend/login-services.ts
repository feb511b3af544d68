import type { ServerInfo } from '../session/server-info.js';
import type { AuthObserver } from './auth-step.js';
import type { ClientLogin } from './client-login.js';
import type { DeadlineList } from './deadline-list.js';
import type { Greeter } from './greeter.js';
import type { Lingering } from './lingering.js';
import type { FrontendLog, LogBurst, LogThrottle } from './log.js';
import type { LoginBudget } from './login-budget.js';
import type { LoginResult } from './login-result.js';
import type { RsaKeys } from './rsa-keys.js';
import type { ScrambleSource } from './scramble-source.js';
import type { TlsAcceptor } from './tls-acceptor.js';
import type { Authenticator } from './users.js';

/** How logins ended; the frontend counts them. */
export type LoginOutcome = 'accepted' | 'denied' | 'broken' | 'timed_out' | 'left' | 'refused' | 'gave_way';

/** What all logins of one frontend share. */
export interface LoginServices {
  readonly users: Authenticator;
  readonly keys: RsaKeys;
  readonly scrambles: ScrambleSource;
  readonly greeter: Greeter;
  readonly deadlines: DeadlineList<ClientLogin>;
  readonly lingering: Lingering;
  readonly budget: LoginBudget;
  readonly log: FrontendLog;
  /** null where TLS is not offered. */
  readonly tls: TlsAcceptor | null;
  /** Whether a login over TCP has to use it. */
  readonly tlsRequired: boolean;
  /** Of failed TLS handshakes. */
  readonly tlsLog: LogThrottle;
  /** Of denials. */
  readonly denialLog: LogBurst;
  readonly observer: AuthObserver | undefined;
  /** null while no server session has been opened yet. The same object for as long as nothing changes. */
  readonly serverInfo: () => ServerInfo | null;
  /** Rejects, when the wait is given up, with an error that has `errno` and `sqlState`: clients get it for a greeting. */
  readonly whenServerKnown: () => Promise<ServerInfo>;
  /** A fresh (virtual) connection id, 32 bits. */
  readonly nextConnectionId: () => number;
  readonly onLogin: (login: LoginResult) => void;
  readonly onOutcome: (outcome: LoginOutcome) => void;
}
