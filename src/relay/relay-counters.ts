import { SHARED_SOCKET_CAUSES, type SharedSocketCause } from './shared-socket.js';
import { TIME_LIMITS, type TimeLimit } from './time-limits.js';

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
  /** Client connections that two processes used, by how it came out. */
  readonly sharedSockets = new Map<SharedSocketCause, number>(
    SHARED_SOCKET_CAUSES.map((cause) => [cause, 0]),
  );

  /** Time limits that clients reached. */
  readonly timeLimits = new Map<TimeLimit, number>(TIME_LIMITS.map((limit) => [limit, 0]));

  limitReached(limit: TimeLimit): void {
    this.timeLimits.set(limit, (this.timeLimits.get(limit) ?? 0) + 1);
  }

  socketShared(cause: SharedSocketCause): void {
    this.sharedSockets.set(cause, (this.sharedSockets.get(cause) ?? 0) + 1);
  }
}
