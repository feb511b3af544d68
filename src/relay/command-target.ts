import type { ClientStatements, PendingPrepare } from './client-statements.js';
import type { CommandWork } from './command-work.js';
import type { GuardRails } from './guard-rails.js';
import type { KillClient } from './kill-command.js';
import type { PreambleClient } from './preamble.js';
import type { RelayServices } from './relay-services.js';
import type { VirtualSession } from './virtual-session.js';

/** What commands are carried out on: one client's connection. */
export interface CommandTarget extends KillClient, PreambleClient {
  readonly services: RelayServices;
  readonly work: CommandWork;
  readonly statements: ClientStatements;
  readonly virtual: VirtualSession;
  readonly deprecateEof: boolean;
  readonly ownStatus: number;
  readonly userName: string;
  readonly rails: GuardRails | null;
  pendingPrepare: PendingPrepare | null;
  submit(): void;
  /** Carries out a command that was kept waiting by {@link suspend}. */
  resume(buf: Buffer, start: number, end: number): void;
  send(packet: Buffer): void;
  changeUser(buf: Buffer, start: number, end: number): void;
  /** `over`: the client may be told, and send its next command. */
  resetSession(over: () => void): void;
  setMultiStatements(on: boolean): void;
  close(reason: string): void;
  quit(): void;
  /** COM_PING: whether the connection was closed in place of an answer, since the proxy drains. */
  drainedByPing(): boolean;
}
