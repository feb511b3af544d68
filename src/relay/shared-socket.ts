import { Command, HEADER_SIZE } from '../protocol/constants.js';
import { ruleFor } from './command-policy.js';

/**
 * Two processes that were forked from one another can write to one client connection. Which bytes are whose cannot be seen in
 * them, so it is told by what one driver alone would never send:
 *
 * 1. Proofs, whatever the client is: a command whose sequence id is not 0; a read that begins in the midst of a packet, does
 *    not end it, and is itself exactly one command (one driver writes a packet from its beginning to its end).
 * 2. A command while a reply is in flight. Many drivers do so on purpose: MariaDB's for Node (by default), Java (batches,
 *    prepare + execute, the queries behind a login) and R2DBC. What they queue is served in order. Others provably wait for
 *    each reply ({@link Habit}): from them it is an accident.
 * 3. Programs on libmariadb wait as well, unless they use mysql_send_query() as EV::MariaDB does. There, and with drivers that
 *    pipeline, the fork guard decides where it can look at the client's processes. Where it can't, a command ahead of
 *    libmariadb's reply is an accident (it is what mysqlclient, Ruby's mysql2 and DBD::MariaDB run on), and one of a driver
 *    that pipelines is not.
 *
 * Commands that have no reply never count, nor does COM_QUIT by itself: whoever closes a connection with rows unread says so,
 * too. But then the end of the connection is right behind it; if it isn't, somebody else still has the socket open.
 *
 * What none of this can see is a reply that waits in the client's kernel and is read by the wrong process: only looking
 * beforehand helps there ({@link SocketWatch}).
 */
export const SharedSocketCause = {
  /** The guard has seen two processes with the socket, before anything was answered. */
  ForkGuard: 'fork_guard',
  CommandDuringReply: 'command_during_reply',
  SequenceId: 'sequence_id',
  /** A command in the midst of another's packet. */
  InsidePacket: 'inside_packet',
  QuitDuringReply: 'quit_during_reply',
  /** One process has said goodbye, and another one goes on: a child's exit that closed what its parent uses. */
  QuitOfChild: 'quit_of_child',
  /** Bytes that were not made with the connection's keys as they are now: over TLS, two processes cannot even take turns. */
  TlsRecord: 'tls_record',
} as const;
export type SharedSocketCause = (typeof SharedSocketCause)[keyof typeof SharedSocketCause];

export const SHARED_SOCKET_CAUSES: readonly SharedSocketCause[] = Object.values(SharedSocketCause);

/** Whether a client sends commands before it has read the reply to the one before. */
export const Habit = {
  /** It may. */
  Pipelines: 0,
  /** It does not, unless its program asks for it by name. */
  Seldom: 1,
  Never: 2,
} as const;
export type Habit = (typeof Habit)[keyof typeof Habit];

/** libmysql refuses with 2014 "Commands out of sync", mysqlnd likewise; the Python drivers read what is left first. */
const ONE_BY_ONE: ReadonlySet<string> = new Set(['libmysql', 'mysqlnd', 'pymysql', 'mysql-connector-python']);

/** By its connect attributes, which every version of these drivers sends; who sends none may do anything. */
export function habitOf(attributes: ReadonlyMap<string, string>): Habit {
  const driver = attributes.get('_client_name')?.toLowerCase() ?? '';
  if (ONE_BY_ONE.has(driver)) return Habit.Never;
  return driver === 'libmariadb' ? Habit.Seldom : Habit.Pipelines;
}

/** Who opened a connection, by its own account. */
export interface Opener {
  readonly pid: string | null;
  readonly program: string | null;
}

export function openerOf(attributes: ReadonlyMap<string, string>): Opener {
  const program = attributes.get('program_name') ?? attributes.get('_client_name');
  return { pid: attributes.get('_pid') ?? null, program: program ?? null };
}

/** One connection that two processes used, as logs tell of it. */
export interface SharedSocket {
  readonly client: number;
  readonly user: string;
  readonly cause: SharedSocketCause;
  readonly opener: Opener;
  /** All processes that have it open, the opener first; empty where nobody could look. */
  readonly holders: readonly number[];
}

/** Whether a read is one command, no more and no less. */
export function isOneCommand(chunk: Buffer): boolean {
  return (
    chunk.length > HEADER_SIZE &&
    chunk.readUIntLE(0, 3) === chunk.length - HEADER_SIZE &&
    chunk[3] === 0 &&
    ruleFor(chunk[HEADER_SIZE] as number) !== undefined
  );
}

/** Commands without a reply: drivers send them whenever they like. */
export function hasNoReply(command: number): boolean {
  return command === Command.StmtClose || command === Command.StmtSendLongData;
}

/**
 * Whether the error of a TLS connection says that what came was not made with its keys as they are now. A process and its
 * child have the same keys and count the records that they send, each for itself.
 */
export function isForgedRecord(error: Error): boolean {
  return 'code' in error && error.code === 'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC';
}
