import { ServerHint } from '../servers/statement-outcome.js';
import { ErrorSource } from './error-source.js';
import { SHARED_SOCKET_CAUSES, type SharedSocketCause } from './shared-socket.js';
import { TIME_LIMITS, type TimeLimit } from './time-limits.js';

const HINTS: readonly ServerHint[] = Object.values(ServerHint);

/** What the relay has done since the start; read by metrics. */
export class RelayCounters {
  /** Client commands completed. */
  commands = 0;
  /** Round trips that brought a session into a client's state. */
  restores = 0;
  /** Commands answered from what the server had answered before. */
  learnedAnswers = 0;
  /** KILL QUERY sent, whoever wanted it. */
  killsSent = 0;
  /** Those of them that were sent because a statement went on. */
  killsRepeated = 0;
  /** Those that were not sent: the session is on another server than the control connection. */
  killsNotSent = 0;
  /** Sessions of the proxy's own that it had the server end. */
  connectionsKilled = 0;
  /** Errors that clients got which are logged in. */
  readonly errors: Record<ErrorSource, number> = {
    [ErrorSource.Server]: 0,
    [ErrorSource.Proxy]: 0,
    [ErrorSource.Client]: 0,
  };
  /** Client connections that two processes used, by how it came out. */
  readonly sharedSockets = new Map<SharedSocketCause, number>(
    SHARED_SOCKET_CAUSES.map((cause) => [cause, 0]),
  );

  /** Errors that told of the server's state, and commands refused by one that were run once more on another session. */
  readonly serverHints = new Map<ServerHint, number>(HINTS.map((hint) => [hint, 0]));
  readonly runAgain = new Map<ServerHint, number>(HINTS.map((hint) => [hint, 0]));

  /** Time limits that clients reached. */
  readonly timeLimits = new Map<TimeLimit, number>(TIME_LIMITS.map((limit) => [limit, 0]));

  /** Requests that got no session, by error code. */
  readonly refusals = new Map<string, number>();

  requestRefused(code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }

  serverTold(hint: ServerHint): void {
    this.serverHints.set(hint, (this.serverHints.get(hint) ?? 0) + 1);
  }

  ranAgain(hint: ServerHint): void {
    this.runAgain.set(hint, (this.runAgain.get(hint) ?? 0) + 1);
  }

  limitReached(limit: TimeLimit): void {
    this.timeLimits.set(limit, (this.timeLimits.get(limit) ?? 0) + 1);
  }

  socketShared(cause: SharedSocketCause): void {
    this.sharedSockets.set(cause, (this.sharedSockets.get(cause) ?? 0) + 1);
  }
}
