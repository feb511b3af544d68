import { SessionTrack } from './constants.js';
import { PayloadReader } from './payload-reader.js';

/**
 * What the session trackers of one OK packet say
 * (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_ok_packet.html, "session state information").
 */
export interface SessionStateReport {
  /** System variables by name, in the server's order; the value as text in the server's canonical form. */
  readonly variables: readonly (readonly [name: string, value: string])[];
  /** The default schema's name (bytes, in the server's utf8), or null when not reported. `''`: no schema. */
  readonly schema: string | null;
  /** The bare flag of `session_track_state_change`: something changed, it does not say what. */
  readonly stateChanged: boolean;
  /** Statements that would re-create the transaction's characteristics; '' when none pend, null when not reported. */
  readonly characteristics: string | null;
  /** `session_track_transaction_info` state such as `T_______`, null when not reported. */
  readonly transactionState: string | null;
}

/** Parses the session state information block. Unknown entry types are skipped: newer servers may add some. */
export function parseSessionState(buf: Buffer, start: number, end: number): SessionStateReport {
  const variables: (readonly [string, string])[] = [];
  let schema: string | null = null;
  let stateChanged = false;
  let characteristics: string | null = null;
  let transactionState: string | null = null;
  const reader = new PayloadReader(buf, start, end);
  while (reader.remaining > 0) {
    const type = reader.uint8();
    const length = reader.lenencInt();
    const entry = new PayloadReader(buf, reader.position, reader.position + length);
    reader.skip(length);
    switch (type) {
      case SessionTrack.SystemVariables:
        // MariaDB puts several name/value pairs into one entry, MySQL one.
        while (entry.remaining > 0)
          variables.push([entry.lenencBytes().toString(), entry.lenencBytes().toString()]);
        break;
      case SessionTrack.Schema:
        schema = entry.lenencBytes().toString();
        break;
      case SessionTrack.StateChange:
        // MySQL writes a string with its length, MariaDB the bare character.
        if (entry.remaining > 1) entry.skip(1);
        stateChanged = entry.rest().toString() === '1';
        break;
      case SessionTrack.TransactionCharacteristics:
        characteristics = entry.lenencBytes().toString();
        break;
      case SessionTrack.TransactionState:
        transactionState = entry.lenencBytes().toString();
        break;
      default:
    }
  }
  return { variables, schema, stateChanged, characteristics, transactionState };
}

/**
 * What clients that negotiate SESSION_TRACK are told, both servers' defaults: the schema and these variables. All else the
 * proxy has asked for itself.
 */
const TOLD_VARIABLES: ReadonlySet<string> = new Set([
  'autocommit',
  'character_set_client',
  'character_set_connection',
  'character_set_results',
  'time_zone',
]);

/** The entries of a session state block that a client is told, as they stand there; empty when there are none. */
export function stateForClient(buf: Buffer, start: number, end: number): Buffer {
  const kept: Buffer[] = [];
  const reader = new PayloadReader(buf, start, end);
  while (reader.remaining > 0) {
    const entryStart = reader.position;
    const type = reader.uint8();
    const length = reader.lenencInt();
    const content = new PayloadReader(buf, reader.position, reader.position + length);
    reader.skip(length);
    const told =
      type === SessionTrack.Schema ||
      (type === SessionTrack.SystemVariables && TOLD_VARIABLES.has(content.lenencBytes().toString()));
    if (told) kept.push(buf.subarray(entryStart, reader.position));
  }
  return kept.length === 1 && kept[0] !== undefined ? kept[0] : Buffer.concat(kept);
}
