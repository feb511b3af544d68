import { Command, HEADER_SIZE } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { ReplyShape } from '../protocol/reply-tracker.js';
import { HoldReason } from '../session/hold-reason.js';
import { NO_EFFECTS, type StatementEffects } from '../session/statement-effects.js';
import { StatementKind } from '../sql/traits.js';
import { malformedCommand } from './client-errors.js';
import { type ClientStatement, STATEMENT_ID_OFFSET } from './client-statement.js';
import { noOpenCursor, unknownStatement } from './client-statements.js';
import type { CommandRule } from './command-policy.js';
import type { CommandTarget } from './command-target.js';
import { effectsOf, isMariadb, traitsOf, waitsForRoutines } from './command-traits.js';
import { SendKind } from './command-work.js';
import { killByStatement } from './kill-command.js';

/** A command that is about a prepared statement, and is answered. */
export function statement(
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

export function setExecute(
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

export function setLongData(
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
export function closeStatement(client: CommandTarget, buf: Buffer, start: number, end: number): void {
  if (end - start < HEADER_SIZE + 5) return;
  const { statements, virtual } = client;
  const found = statements.get(buf.readUInt32LE(start + STATEMENT_ID_OFFSET));
  if (found === null) return;
  if (statements.isHeld(found)) virtual.session?.closeStatement(found.key);
  endHolds(client, found);
  statements.close(found);
  virtual.releaseIfFree();
}

export function findStatement(
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
