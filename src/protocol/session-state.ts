import { HEADER_SIZE, SessionTrack } from './constants.js';
import { PayloadReader } from './payload-reader.js';
import { PayloadWriter } from './payload-writer.js';

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
  /** `session_track_gtids` (MySQL): GTIDs of what the session has committed, null when not reported. */
  readonly gtids: string | null;
}

/** Parses the session state information block. Unknown entry types are skipped: newer servers may add some. */
export function parseSessionState(buf: Buffer, start: number, end: number): SessionStateReport {
  const variables: (readonly [string, string])[] = [];
  let schema: string | null = null;
  let stateChanged = false;
  let characteristics: string | null = null;
  let transactionState: string | null = null;
  let gtids: string | null = null;
  const reader = new PayloadReader(buf, start, end);
  while (reader.remaining > 0) {
    const type = reader.uint8();
    const length = reader.lenencInt();
    const entry = new PayloadReader(buf, reader.position, reader.position + length);
    reader.skip(length);
    switch (type) {
      case SessionTrack.SystemVariables:
        // MariaDB puts several name/value pairs into one entry, MySQL one.
        while (entry.remaining > 0) variables.push([entry.lenencText(), entry.lenencText()]);
        break;
      case SessionTrack.Schema:
        schema = entry.lenencText();
        break;
      case SessionTrack.StateChange:
        // MySQL writes a string with its length, MariaDB the bare character.
        if (entry.remaining > 1) entry.skip(1);
        stateChanged = entry.rest().toString() === '1';
        break;
      case SessionTrack.TransactionCharacteristics:
        characteristics = entry.lenencText();
        break;
      case SessionTrack.TransactionState:
        transactionState = entry.lenencText();
        break;
      case SessionTrack.Gtids:
        // Behind a byte for the encoding, of which there is one: text.
        entry.skip(1);
        gtids = entry.lenencBytes().toString();
        break;
      default:
    }
  }
  return { variables, schema, stateChanged, characteristics, transactionState, gtids };
}

/** What a client's OK packets tell of its session: what it asked for, since the proxy has asked for all. */
export interface ToldState {
  readonly schema: boolean;
  readonly stateChange: boolean;
  readonly transactionState: boolean;
  readonly characteristics: boolean;
  readonly gtids: boolean;
  /** Names in lower case; `*` means all. */
  readonly variables: ReadonlySet<string>;
}

export const TOLD_ALL: ToldState = {
  schema: true,
  stateChange: true,
  transactionState: true,
  characteristics: true,
  gtids: true,
  variables: new Set(['*']),
};

/** The entries of a session state block that a client is told, as they stand there; empty when there are none. */
export function stateForClient(buf: Buffer, start: number, end: number, told: ToldState): Buffer {
  const kept: Buffer[] = [];
  const reader = new PayloadReader(buf, start, end);
  while (reader.remaining > 0) {
    const entryStart = reader.position;
    const type = reader.uint8();
    const length = reader.lenencInt();
    const contentStart = reader.position;
    reader.skip(length);
    if (type === SessionTrack.SystemVariables) pushVariables(kept, buf, contentStart, reader.position, told);
    else if (isTold(type, told)) kept.push(buf.subarray(entryStart, reader.position));
  }
  return kept.length === 1 && kept[0] !== undefined ? kept[0] : Buffer.concat(kept);
}

function isTold(type: number, told: ToldState): boolean {
  switch (type) {
    case SessionTrack.Schema:
      return told.schema;
    case SessionTrack.StateChange:
      return told.stateChange;
    case SessionTrack.TransactionCharacteristics:
      return told.characteristics;
    case SessionTrack.TransactionState:
      return told.transactionState;
    case SessionTrack.Gtids:
      return told.gtids;
    default:
      // The server tells of it only where the client has asked for it.
      return true;
  }
}

/** Each of a client's variables in an entry of its own, as MySQL writes them. */
function pushVariables(kept: Buffer[], buf: Buffer, start: number, end: number, told: ToldState): void {
  const all = told.variables.has('*');
  const reader = new PayloadReader(buf, start, end);
  while (reader.remaining > 0) {
    const pairStart = reader.position;
    const name = reader.lenencBytes().toString().toLowerCase();
    reader.lenencBytes();
    if (!all && !told.variables.has(name)) continue;
    const pair = buf.subarray(pairStart, reader.position);
    const head = new PayloadWriter(16).uint8(SessionTrack.SystemVariables).lenencInt(pair.length);
    kept.push(head.packet(0).subarray(HEADER_SIZE), pair);
  }
}
