import type { Logger } from 'pino';
import { LogBurst } from '../frontend/log.js';
import { RefusalLog } from '../observability/refusal-log.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { isOrdinary } from '../relay/departure.js';
import type {
  DeniedChange,
  ExecutedKill,
  LostSession,
  NamedClient,
  ReachedLimit,
  RefusedRequest,
  RelayObserver,
} from '../relay/relay-observer.js';
import type { SharedSocket } from '../relay/shared-socket.js';

/** Lines of one kind in a row that are all told; from then on it is one a second, which says how many were left out. */
const TOLD = 20;

/** What happens to clients that are logged in, as lines of the log: each has the client's id. */
export class ClientLog implements RelayObserver {
  readonly #log: Logger;
  readonly #refusals: RefusalLog;
  readonly #closed = new LogBurst(TOLD);
  readonly #limits = new LogBurst(TOLD);
  readonly #denials = new LogBurst(TOLD);
  readonly #lost = new LogBurst(TOLD);
  readonly #kills = new LogBurst(TOLD);

  constructor(log: Logger) {
    this.#log = log;
    this.#refusals = new RefusalLog(log);
  }

  clientClosed(client: NamedClient, reason: string, endsStatement: boolean): void {
    const isOrdinaryEnd = isOrdinary(reason);
    // Connect, query, quit: nothing is made for a line that nobody wants.
    if (isOrdinaryEnd && !this.#log.isLevelEnabled('debug')) return;
    const fields = {
      client: client.connectionId,
      user: client.userName,
      address: client.address,
      reason,
      ...(endsStatement ? { endsStatementOn: client.serverConnectionId } : {}),
    };
    if (isOrdinaryEnd) this.#log.debug(fields, 'client closed');
    else this.#tell(this.#closed, 'info', fields, 'client closed');
  }

  errTold(client: NamedClient, { errno, message }: ErrPacket): void {
    if (!this.#log.isLevelEnabled('debug')) return;
    const { connectionId, userName: user, serverConnectionId: serverSession } = client;
    this.#log.debug(
      { client: connectionId, user, serverSession, errno, error: message },
      'client gets an error',
    );
  }

  limitReached(reached: ReachedLimit): void {
    this.#tell(this.#limits, 'warn', reached, 'a client reached a time limit');
  }

  changeDenied(denied: DeniedChange): void {
    this.#tell(this.#denials, 'warn', denied, 'change of user denied');
  }

  socketShared(shared: SharedSocket): void {
    this.#log.warn(shared, 'two processes use one client connection, opened before a fork: it was closed');
  }

  requestRefused(refused: RefusedRequest): void {
    this.#refusals.refused(refused);
  }

  sessionLost(lost: LostSession): void {
    this.#tell(this.#lost, 'warn', lost, "a client's server session was lost");
  }

  killed(kill: ExecutedKill, statement: boolean): void {
    const text = statement ? 'statement killed by a client' : 'connection killed by a client';
    this.#tell(this.#kills, 'info', kill, text);
  }

  #tell(burst: LogBurst, level: 'info' | 'warn', fields: object, text: string): void {
    const more = burst.pass();
    if (more === null) return;
    this.#log[level](more === 0 ? fields : { ...fields, more }, text);
  }
}
