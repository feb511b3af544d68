import { Command, HEADER_SIZE, ServerError } from '../protocol/constants.js';
import { type ErrPacket, encodeEof, encodeOk } from '../protocol/generic-response.js';
import { ReplyShape } from '../protocol/reply-tracker.js';
import { LONG_TEXT_UNREAD } from '../session/effects-of.js';
import { HoldReason } from '../session/hold-reason.js';
import { lexerContextOf } from '../session/lexer-context.js';
import type { SessionProfile } from '../session/profile.js';
import { NO_EFFECTS, SCHEMA_CHANGE, type StatementEffects } from '../session/statement-effects.js';
import type { LexerContext } from '../sql/lexer-context.js';
import { Flag, SessionValue, StatementKind, type StatementTraits } from '../sql/traits.js';
import { clientError, malformedCommand } from './client-errors.js';
import { type ClientStatement, STATEMENT_ID_OFFSET } from './client-statement.js';
import {
  type ClientStatements,
  noOpenCursor,
  type PendingPrepare,
  unknownStatement,
} from './client-statements.js';
import { type CommandRule, Policy, ruleFor } from './command-policy.js';
import { type CommandWork, SendKind } from './command-work.js';
import { type GuardRails, schemaRefused, textRefused } from './guard-rails.js';
import { type KillClient, killByStatement, killConnection } from './kill-command.js';
import { answerPreamble, lessonOf, mayBePreamble, type PreambleClient } from './preamble.js';
import type { RelayServices } from './relay-services.js';
import { withText, withValues } from './session-values.js';
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

/** Carries out one whole command: `[start, end)`, header included, at least one byte of payload. */
export function dispatch(client: CommandTarget, buf: Buffer, start: number, end: number): void {
  const command = buf[start + HEADER_SIZE] as number;
  const rule = ruleFor(command);
  if (rule === undefined) {
    client.sendErr({ ...ServerError.UnknownCommand, message: 'Unknown command' });
    return;
  }
  switch (rule.policy) {
    case Policy.Local:
      local(client, command, buf, start, end);
      return;
    case Policy.Refuse:
      client.sendErr(
        clientError(ServerError.NotSupportedYet, `${rule.name} is not passed on: ${rule.refusal}`),
      );
      return;
    case Policy.Query:
      if (command === Command.StmtPrepare) prepare(client, buf, start, end);
      else query(client, buf, start, end);
      return;
    case Policy.Statement:
      statement(client, command, rule, buf, start, end);
      return;
    case Policy.Forward:
      if (
        client.rails !== null &&
        command === Command.InitDb &&
        barsSchema(client, client.rails, buf, start, end)
      ) {
        return;
      }
      client.work.set(
        SendKind.AsIs,
        rule.shape,
        command === Command.InitDb ? SCHEMA_CHANGE : NO_EFFECTS,
        buf,
        start,
        end,
      );
      client.work.getsSchema = command === Command.InitDb;
      client.work.choosesSchema = command === Command.InitDb;
      client.submit();
  }
}

/**
 * Carries out a command that is too long to be assembled; `[start, end)` is its beginning. Returns why it can't be,
 * or null.
 */
export function dispatchLong(
  client: CommandTarget,
  buf: Buffer,
  start: number,
  end: number,
): ErrPacket | null {
  const command = buf[start + HEADER_SIZE] as number;
  const { work } = client;
  if (command === Command.Query) {
    work.set(SendKind.AsIs, ReplyShape.ResultSet, LONG_TEXT_UNREAD, buf, start, end);
    const context = lexerContext(client);
    work.asked.query(null, buf, start + HEADER_SIZE + 1, end, context, true);
    work.routinesAt = client.services.routines.version;
    work.text = client.services.classifier.begin(context);
  } else if (command === Command.StmtExecute || command === Command.StmtSendLongData) {
    const found = findStatement(client, buf, start, end, ruleFor(command)?.name ?? '');
    if ('errno' in found) return found;
    if (command === Command.StmtExecute) setExecute(client, found, buf, start, end);
    else setLongData(client, found, buf, start, end);
  } else {
    const name = ruleFor(command)?.name ?? 'an unknown command';
    return clientError(
      ServerError.NetPacketTooLarge,
      `Got a packet bigger than the 1 MiB that ${name} may have`,
    );
  }
  work.isLong = true;
  client.submit();
  return null;
}

function local(client: CommandTarget, command: number, buf: Buffer, start: number, end: number): void {
  switch (command) {
    case Command.Ping:
      if (client.drainedByPing()) return;
      client.virtual.state.left.diagnostics.answered(0n);
      client.sendOk();
      return;
    case Command.Quit:
      client.quit();
      return;
    case Command.ResetConnection:
      client.suspend();
      client.resetSession(() => {
        client.sendOk();
        client.workDone();
      });
      return;
    case Command.ChangeUser:
      client.changeUser(buf, start, end);
      return;
    case Command.SetOption:
      setOption(client, buf, start, end);
      return;
    case Command.StmtClose:
      closeStatement(client, buf, start, end);
      return;
    case Command.ProcessKill:
      if (end - start < HEADER_SIZE + 5) client.sendErr(malformedCommand('COM_PROCESS_KILL'));
      else killConnection(client, BigInt(buf.readUInt32LE(start + HEADER_SIZE + 1)));
      return;
    default:
      throw new RangeError(`command ${command} is not answered here`);
  }
}

/** COM_SET_OPTION only says what the next COM_QUERY may hold: it is carried to the session that gets one. */
function setOption(client: CommandTarget, buf: Buffer, start: number, end: number): void {
  const option = end - start === HEADER_SIZE + 3 ? buf.readUInt16LE(start + HEADER_SIZE + 1) : -1;
  if (option !== 0 && option !== 1) {
    client.sendErr({ ...ServerError.UnknownCommand, message: 'Unknown command' });
    return;
  }
  client.setMultiStatements(option === 0);
  client.virtual.state.left.diagnostics.answered(-1n);
  const status = client.ownStatus;
  client.send(client.deprecateEof ? encodeOk(1, { status }, 0xfe) : encodeEof(1, status, 0));
}

function query(client: CommandTarget, buf: Buffer, start: number, end: number): void {
  const { classifier } = client.services;
  const context = lexerContext(client);
  const traits = classifier.classify(buf, start + HEADER_SIZE + 1, end, context);
  const { remembered } = classifier;
  const prepared = preparedBy(client, traits);
  if (client.rails !== null && barsText(client, client.rails, prepared?.traits ?? traits, buf, start, end))
    return;
  const { kill } = prepared?.traits ?? traits;
  if (kill !== null) {
    killByStatement(client, kill, null);
    return;
  }
  const text = start + HEADER_SIZE + 1;
  const preamble = mayBePreamble(traits);
  if (preamble && answerPreamble(client, buf, text, end)) return;
  if (waitsForRoutines(client, prepared?.traits ?? traits, buf, start, end)) return;
  const told = withOwnId(client, traits, buf, start, end);
  if (told === null) setQuery(client, traits, buf, start, end);
  // The offsets of other values have moved.
  else setQuery(client, classify(client, told, HEADER_SIZE + 1, told.length), told, 0, told.length);
  client.work.asked.query(remembered, buf, text, end, context);
  client.work.parsedIn = prepared?.profile ?? null;
  client.work.getsSchema = (prepared?.traits ?? traits).first === StatementKind.Use;
  client.work.choosesSchema = traits.first === StatementKind.Use && traits.statements === 1;
  if (preamble) client.work.lesson = lessonOf(client, traits, buf, text, end, context);
  client.submit();
}

/** Whether the client's guard rails refuse the schema of a COM_INIT_DB; it has been told then. */
function barsSchema(
  client: CommandTarget,
  rails: GuardRails,
  buf: Buffer,
  start: number,
  end: number,
): boolean {
  const refused = schemaRefused(rails, client.userName, buf.toString('utf8', start + HEADER_SIZE + 1, end));
  if (refused !== null) client.sendErr(refused);
  return refused !== null;
}

/** As {@link barsSchema}, of a text. */
function barsText(
  client: CommandTarget,
  rails: GuardRails,
  traits: StatementTraits,
  buf: Buffer,
  start: number,
  end: number,
): boolean {
  const text = (): string => buf.toString('latin1', start + HEADER_SIZE + 1, end);
  const refused = textRefused(rails, client.userName, traits, text);
  if (refused !== null) client.sendErr(refused);
  return refused !== null;
}

function setQuery(
  client: CommandTarget,
  traits: StatementTraits,
  buf: Buffer,
  start: number,
  end: number,
): void {
  client.work.set(SendKind.AsIs, ReplyShape.ResultSet, effectsOf(client, traits), buf, start, end);
  client.work.traits = traits;
  client.work.routinesAt = client.services.routines.version;
}

/** Of the work that a client has under way and that has not been sent: by what is known of routines and views now. */
export function classifyAgain(client: CommandTarget): void {
  const { work } = client;
  work.routinesAt = client.services.routines.version;
  if (work.traits === null) return;
  const { ownStatement, sql } = work;
  if (ownStatement !== null) work.traits = traitsOf(client, ownStatement);
  else if (sql !== null) work.traits = classify(client, sql, 0, sql.length);
  work.effects = effectsOf(client, work.traits);
}

function effectsOf(client: CommandTarget, traits: StatementTraits): StatementEffects {
  const executed = preparedBy(client, traits)?.traits ?? traits;
  return client.services.routines.effectsOf(executed, client.account);
}

/** What an EXECUTE runs. */
interface Executed {
  readonly traits: StatementTraits;
  /** The client's when it was prepared; null where the EXECUTE itself prepares it. */
  readonly profile: SessionProfile | null;
}

/** EXECUTE of a text that is known does what that text does; null for any other statement. */
function preparedBy(client: CommandTarget, traits: StatementTraits): Executed | null {
  if (traits.first !== StatementKind.Execute || traits.statements !== 1) return null;
  // Its parameters may be expressions (MariaDB).
  if (traits.routines.length > 0) return null;
  const [change] = traits.changes;
  let executed: Executed | null = null;
  if (change?.kind === 'execute' && change.name !== null) {
    executed = client.virtual.state.preparedText(change.name);
  } else if (change?.kind === 'execute_immediate' && change.text !== null) {
    const bytes = Buffer.from(change.text, 'latin1');
    executed = { traits: classify(client, bytes, 0, bytes.length), profile: null };
  }
  if (executed === null) return null;
  const { statements, first } = executed.traits;
  return statements === 1 && first !== StatementKind.Execute ? executed : null;
}

/** Keeps a command waiting while the routines and views that it may use are being read. */
function waitsForRoutines(
  client: CommandTarget,
  traits: StatementTraits,
  buf: Buffer,
  start: number,
  end: number,
): boolean {
  const { routines } = client.services;
  if (!routines.pending && traits.routines.length === 0) return false;
  if (!routines.mustWaitFor(traits)) return false;
  client.suspend();
  routines.whenKnown(() => client.resume(buf, start, end));
  return true;
}

/**
 * The command with the client's own id in place of CONNECTION_ID(), so that what a client is told in SQL is what its
 * greeting said and KILL knows. Null: it asks for no id.
 */
function withOwnId(
  client: CommandTarget,
  traits: StatementTraits,
  buf: Buffer,
  start: number,
  end: number,
): Buffer | null {
  if ((traits.flags & Flag.ReadsConnectionId) === 0 || traits.statements !== 1) return null;
  const text = buf.subarray(start + HEADER_SIZE + 1, end);
  const uses = traits.sessionValues.filter(({ value }) => value === SessionValue.ConnectionId);
  if (uses.length === 0) return null;
  const told = withValues(text, uses, () => BigInt(client.connectionId));
  return told === null ? null : withText(buf, start, told);
}

function prepare(client: CommandTarget, buf: Buffer, start: number, end: number): void {
  const traits = classify(client, buf, start + HEADER_SIZE + 1, end);
  if (client.rails !== null && barsText(client, client.rails, traits, buf, start, end)) return;
  const told = withOwnId(client, traits, buf, start, end);
  // A copy: the statement outlives the read buffer.
  const packet = told ?? Buffer.from(buf.subarray(start, end));
  const own = told === null ? traits : classify(client, told, HEADER_SIZE + 1, told.length);
  client.pendingPrepare = { sql: packet.subarray(HEADER_SIZE + 1), traits: own };
  client.work.set(SendKind.AsIs, ReplyShape.Prepare, NO_EFFECTS, packet, 0, packet.length);
  client.submit();
}

function classify(client: CommandTarget, buf: Buffer, start: number, end: number): StatementTraits {
  return client.services.classifier.classify(buf, start, end, lexerContext(client));
}

function lexerContext({ services, virtual }: CommandTarget): LexerContext {
  return contextOf(services, virtual.state.profile);
}

function contextOf({ upstream }: RelayServices, profile: SessionProfile): LexerContext {
  const { facts } = upstream;
  if (facts === null) throw new TypeError('a client is connected before the server is known');
  return lexerContextOf(profile, facts.info);
}

/** A prepared statement's traits with what is known of routines and views now. */
function traitsOf({ services }: CommandTarget, found: ClientStatement): StatementTraits {
  const { classifier, routines } = services;
  if (found.readAt !== routines.generation) {
    const { sql, profile } = found;
    found.traits = classifier.classify(sql, 0, sql.length, contextOf(services, profile));
    found.readAt = routines.generation;
  }
  return found.traits;
}

function statement(
  client: CommandTarget,
  command: number,
  rule: CommandRule,
  buf: Buffer,
  start: number,
  end: number,
): void {
  const found = findStatement(client, buf, start, end, rule.name);
  const longData = command === Command.StmtSendLongData;
  if ('errno' in found) {
    // COM_STMT_SEND_LONG_DATA has no reply, not even this one.
    if (!longData) client.sendErr(found);
    return;
  }
  const { statements, virtual, work } = client;
  switch (command) {
    case Command.StmtExecute:
      if (found.traits.kill !== null) {
        killByStatement(client, found.traits.kill, buf.subarray(start, end));
        return;
      }
      if (waitsForRoutines(client, traitsOf(client, found), buf, start, end)) return;
      setExecute(client, found, buf, start, end);
      break;
    case Command.StmtSendLongData:
      setLongData(client, found, buf, start, end);
      break;
    case Command.StmtReset:
      if (!statements.isHeld(found)) {
        virtual.state.left.diagnostics.answered(0n);
        client.sendOk();
        return;
      }
      endHolds(client, found);
      work.set(SendKind.StatementId, rule.shape, NO_EFFECTS, buf, start, end);
      break;
    case Command.StmtFetch:
      if (!statements.hasCursorOf(found)) {
        client.sendErr(noOpenCursor(found.id, isMariadb(client)));
        return;
      }
      work.set(SendKind.StatementId, rule.shape, NO_EFFECTS, buf, start, end);
      break;
    default:
      throw new RangeError(`command ${command} is not about a statement`);
  }
  work.statement = found;
  if (virtual !== client.virtual) throw new TypeError('the client changed while a command was looked at');
  client.submit();
}

function setExecute(
  client: CommandTarget,
  found: ClientStatement,
  buf: Buffer,
  start: number,
  end: number,
): void {
  // What has long data stays the statement that has it.
  if (!client.statements.isHeld(found) && !isMariadb(client)) found.resolveFor(buf, start, end);
  const isBound = client.statements.hasLongDataOf(found);
  endHolds(client, found);
  const traits = traitsOf(client, found);
  client.work.set(SendKind.Execute, ReplyShape.ResultSet, effectsOf(client, traits), buf, start, end);
  client.work.isBound = isBound;
  client.work.asked.execute(found);
  client.work.statement = found;
  client.work.traits = traits;
  client.work.parsedIn = found.profile;
  client.work.routinesAt = client.services.routines.version;
  client.work.getsSchema = traits.first === StatementKind.Use;
}

/** The server gathers long data per session, so the session is held until the statement is executed. */
const LONG_DATA: StatementEffects = { ...NO_EFFECTS, holds: HoldReason.LongData };

function setLongData(
  client: CommandTarget,
  found: ClientStatement,
  buf: Buffer,
  start: number,
  end: number,
): void {
  client.statements.setLongData(found, true);
  client.work.set(SendKind.StatementId, ReplyShape.Ok, LONG_DATA, buf, start, end);
  client.work.statement = found;
  client.work.hasReply = false;
}

/** Executing, resetting or closing a statement ends its cursor and uses up its long data. */
function endHolds(client: CommandTarget, found: ClientStatement): void {
  const { statements, virtual } = client;
  if (!statements.isHeld(found)) return;
  statements.setCursor(found, false);
  statements.setLongData(found, false);
  virtual.state.setHold(HoldReason.Cursor, statements.hasCursor);
  virtual.state.setHold(HoldReason.LongData, statements.hasLongData);
}

/** COM_STMT_CLOSE has no reply. The session keeps the statement for the next client, unless something of it is open. */
function closeStatement(client: CommandTarget, buf: Buffer, start: number, end: number): void {
  if (end - start < HEADER_SIZE + 5) return;
  const { statements, virtual } = client;
  const found = statements.get(buf.readUInt32LE(start + STATEMENT_ID_OFFSET));
  if (found === null) return;
  if (statements.isHeld(found)) virtual.session?.closeStatement(found.key);
  endHolds(client, found);
  statements.close(found);
  virtual.releaseIfFree();
}

function findStatement(
  client: CommandTarget,
  buf: Buffer,
  start: number,
  end: number,
  command: string,
): ClientStatement | ErrPacket {
  if (end < start + STATEMENT_ID_OFFSET + 4) return malformedCommand(command);
  const id = buf.readUInt32LE(start + STATEMENT_ID_OFFSET);
  return client.statements.get(id) ?? unknownStatement(id, command, isMariadb(client));
}

function isMariadb({ services }: CommandTarget): boolean {
  return services.upstream.facts?.info.flavor === 'mariadb';
}
