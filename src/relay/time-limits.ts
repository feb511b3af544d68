import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { HoldReason } from '../session/hold-reason.js';
import { clientError } from './client-errors.js';

/** How long a client may take, in whole seconds; 0 for as long as it likes. */
export interface TimeLimits {
  /** A statement, from the moment when the server has it. */
  readonly query: number;
  /** A transaction, from its first statement to its end. */
  readonly transaction: number;
  /** Between two commands while a transaction is open, or locks that keep others waiting. */
  readonly idleTransaction: number;
  /** Between two commands. */
  readonly clientIdle: number;
}

/** Which limit was reached; the keys of the configuration, log words and metric labels. */
export const TimeLimit = {
  Query: 'query_timeout',
  Transaction: 'transaction_timeout',
  IdleTransaction: 'idle_transaction_timeout',
  ClientIdle: 'client_idle_timeout',
} as const;
export type TimeLimit = (typeof TimeLimit)[keyof typeof TimeLimit];

export const TIME_LIMITS: readonly TimeLimit[] = Object.values(TimeLimit);

/**
 * What keeps other clients waiting on the server for as long as its owner does nothing. GET_LOCK is not among them: to be
 * held while nothing is sent is what it is used for (the one of several processes that leads).
 */
const BLOCKS_OTHERS = HoldReason.Transaction | HoldReason.TableLock | HoldReason.Xa;

/** What a client does, as far as its time is concerned. */
export interface TimedClient {
  readonly timeLimits: TimeLimits;
  /** It may send its next command. */
  readonly isReady: boolean;
  /** Bytes that it has taken of its replies while there are more for it; null once it has all. */
  readonly taken: number | null;
  /** Its `net_write_timeout`, in seconds. */
  readonly writeTimeout: number;
  /** It has begun a command, a file or a change of user, of which more could be taken. */
  readonly isSending: boolean;
  /** `HoldReason` bits. */
  readonly holds: number;
  /** Another number once another transaction may have begun. */
  readonly transactions: number;
  /** Full seconds that its statement has been at work on the server; 0 when none is. */
  readonly secondsAtWork: number;
  /** Of `wait_timeout`, where the client has set one of its own; else null. */
  readonly ownWaitTimeout: number | null;
  /** Ends its statement. @returns whether that is one that may be ended */
  interrupt(err: ErrPacket): boolean;
  /** Ends what it holds, of which it is told with its next command; false where that cannot be now. */
  expire(expiry: Expiry): boolean;
  /** Closes its connection. `limit`: null for its own `wait_timeout`. */
  endIdle(limit: TimeLimit | null): void;
  /** Closes its connection, which is in the midst of a command. */
  endInside(err: ErrPacket): void;
  /** Closes its connection, on which nothing can be said any more. */
  endUnread(): void;
  /** For log and metrics. `seconds`: the limit. */
  struck(limit: TimeLimit, seconds: number): void;
}

/** Why the proxy has ended what a client held. */
export interface Expiry {
  /** What a client is told in place of its next command; `lost`: words for what it held. */
  err(lost: readonly string[]): ErrPacket;
}

/**
 * One client's times, counted by a tick that all clients share. A tick counts as a second once what it counts was there at
 * two of them, so a limit strikes up to a second late and never early, and a command pays nothing for being watched.
 */
export class TimeWatch {
  /** Ticks since the client's last byte, or since it got the last of its reply. */
  #idle = 0;
  /** Ticks since it has taken anything of the replies that wait for it, and how much it had by then. */
  #unread = 0;
  #taken: number | null = null;
  /** Ticks that the transaction was there, and which one. */
  #inTransaction = 0;
  #transaction = 0;
  /** The statement under way has been interrupted. */
  #interrupted = false;

  get idleSeconds(): number {
    return this.#idle;
  }

  /** Bytes came. */
  clientSpoke(): void {
    this.#idle = 0;
  }

  /** A second has passed. */
  secondPassed(client: TimedClient): void {
    const { timeLimits: limits } = client;
    this.#countUnread(client);
    // The server would end it, but all that the server sees is the proxy, which takes more.
    if (this.#unread > 0 && this.#unread > client.writeTimeout) {
      client.endUnread();
      return;
    }
    this.#countTransaction(client);
    const transactionOver = limits.transaction > 0 && this.#inTransaction > limits.transaction;
    if (client.isReady && (this.#taken === null || this.#unread > 0)) {
      this.#interrupted = false;
      this.#idle++;
      this.#whileIdle(client, limits, transactionOver);
    } else if (client.isSending) {
      this.#idle++;
      if (limits.idleTransaction > 0 && this.#idle > limits.idleTransaction)
        this.#endInside(client, limits.idleTransaction);
    } else {
      this.#idle = 0;
      this.#whileAtWork(client, limits, transactionOver);
    }
  }

  #countUnread({ taken }: TimedClient): void {
    this.#unread = taken !== null && taken === this.#taken ? this.#unread + 1 : 0;
    this.#taken = taken;
  }

  #countTransaction(client: TimedClient): void {
    const is = (client.holds & HoldReason.Transaction) !== 0;
    const { transactions } = client;
    this.#inTransaction = is && transactions === this.#transaction ? this.#inTransaction + 1 : is ? 1 : 0;
    this.#transaction = transactions;
  }

  #whileIdle(client: TimedClient, limits: TimeLimits, transactionOver: boolean): void {
    const { idleTransaction, clientIdle } = limits;
    const wait = client.ownWaitTimeout;
    if (wait !== null && this.#idle > wait) {
      client.endIdle(null);
    } else if (clientIdle > 0 && this.#idle > clientIdle) {
      client.struck(TimeLimit.ClientIdle, clientIdle);
      client.endIdle(TimeLimit.ClientIdle);
    } else if (idleTransaction > 0 && this.#idle > idleTransaction && (client.holds & BLOCKS_OTHERS) !== 0) {
      this.#expire(client, TimeLimit.IdleTransaction, idleTransaction);
    } else if (transactionOver) {
      this.#expire(client, TimeLimit.Transaction, limits.transaction);
    }
  }

  #whileAtWork(client: TimedClient, limits: TimeLimits, transactionOver: boolean): void {
    const { secondsAtWork } = client;
    if (secondsAtWork === 0) this.#interrupted = false;
    if (this.#interrupted) return;
    if (limits.query > 0 && secondsAtWork >= limits.query)
      this.#interrupt(client, TimeLimit.Query, limits.query);
    else if (transactionOver && secondsAtWork > 0)
      this.#interrupt(client, TimeLimit.Transaction, limits.transaction);
  }

  #interrupt(client: TimedClient, limit: TimeLimit, seconds: number): void {
    this.#interrupted = true;
    if (client.interrupt(interruptedErr(limit, seconds))) client.struck(limit, seconds);
  }

  #expire(client: TimedClient, limit: TimeLimit, seconds: number): void {
    if (!client.expire({ err: (lost) => expiredErr(limit, seconds, lost) })) return;
    this.#inTransaction = 0;
    client.struck(limit, seconds);
  }

  #endInside(client: TimedClient, seconds: number): void {
    client.struck(TimeLimit.IdleTransaction, seconds);
    client.endInside(
      clientError(
        ServerError.NetReadInterrupted,
        `Got timeout reading communication packets: the client sent nothing for ${seconds}s in the midst of a command ` +
          `(${TimeLimit.IdleTransaction}), which was not executed; the connection is closed`,
      ),
    );
  }
}

const ADVICE: Readonly<Record<TimeLimit, string>> = {
  [TimeLimit.Query]: 'make the statement faster, or raise query_timeout',
  [TimeLimit.Transaction]: 'make the transaction shorter, or raise transaction_timeout',
  [TimeLimit.IdleTransaction]:
    'commit or roll back before other work (requests to other services, waiting for a user), or raise idle_transaction_timeout',
  [TimeLimit.ClientIdle]: 'connect anew, or raise client_idle_timeout',
};

/** What the client of a statement is told that was killed. */
function interruptedErr(limit: TimeLimit, seconds: number): ErrPacket {
  const whose = limit === TimeLimit.Query ? 'the statement' : 'its transaction';
  return clientError(
    ServerError.QueryInterrupted,
    `Query execution was interrupted: ${whose} took longer than the ${seconds}s of ${limit}; ${ADVICE[limit]}. ` +
      'The connection can be used on',
  );
}

function expiredErr(limit: TimeLimit, seconds: number, lost: readonly string[]): ErrPacket {
  const what =
    limit === TimeLimit.IdleTransaction
      ? `the client sent nothing for longer than the ${seconds}s of ${limit} while it kept others waiting`
      : `the transaction took longer than the ${seconds}s of ${limit}`;
  return clientError(
    ServerError.QueryInterrupted,
    `Transaction was rolled back: ${what}; gone with it: ${lost.join(', ')}. This statement was not executed; ` +
      `the connection can be used on. To do: ${ADVICE[limit]}`,
  );
}

/** What a client is told whose connection is closed because it was idle. */
export function clientIdleErr(seconds: number): ErrPacket {
  return clientError(
    ServerError.ClientInteractionTimeout,
    `The client was disconnected because of inactivity: it sent nothing for longer than the ${seconds}s of ` +
      `${TimeLimit.ClientIdle}; ${ADVICE[TimeLimit.ClientIdle]}`,
  );
}
