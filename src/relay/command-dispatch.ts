import { Command, HEADER_SIZE, ServerError } from '../protocol/constants.js';
import { type ErrPacket, encodeEof, encodeOk } from '../protocol/generic-response.js';
import { ReplyShape } from '../protocol/reply-tracker.js';
import { LONG_TEXT_UNREAD } from '../session/effects-of.js';
import { NO_EFFECTS, SCHEMA_CHANGE } from '../session/statement-effects.js';
import { Flag, SessionValue, StatementKind, type StatementTraits } from '../sql/traits.js';
import { clientError, malformedCommand } from './client-errors.js';
import { Policy, ruleFor } from './command-policy.js';
import type { CommandTarget } from './command-target.js';
import { classify, effectsOf, lexerContext, preparedBy, waitsForRoutines } from './command-traits.js';
import { SendKind } from './command-work.js';
import { type GuardRails, schemaRefused, textRefused } from './guard-rails.js';
import { killByStatement, killConnection } from './kill-command.js';
import { answerPreamble, lessonOf, mayBePreamble } from './preamble.js';
import { withText, withValues } from './session-values.js';
import { closeStatement, findStatement, setExecute, setLongData, statement } from './statement-commands.js';

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
