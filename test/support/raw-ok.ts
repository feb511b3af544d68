import { SessionTrack, Status } from '../../src/protocol/constants.js';
import { PayloadReader } from '../../src/protocol/payload-reader.js';

/** What one OK's trackers say, each thing as the server's text; empty when nothing is reported. */
export interface Tracked {
  /** `name=value`, sorted (MariaDB's order differs from start to start), MySQL's ever-present statement_id left out. */
  readonly variables: readonly string[];
  readonly schema: string | null;
  readonly changed: boolean;
  readonly characteristics: string | null;
  readonly transactionState: string | null;
}

export interface RawOk {
  /** 0x00 or 0xFE. */
  readonly header: number;
  readonly affectedRows: bigint;
  readonly lastInsertId: bigint;
  readonly status: number;
  readonly warnings: number;
  readonly info: string;
  readonly tracked: Tracked;
  readonly statementId: string | null;
  /** `session_track_gtids` of MySQL. */
  readonly gtids: string | null;
}

export const NOTHING_TRACKED: Tracked = {
  variables: [],
  schema: null,
  changed: false,
  characteristics: null,
  transactionState: null,
};

/** Reads an OK packet of a session with SESSION_TRACK; written apart from the code under test. */
export function readOk(payload: Buffer): RawOk {
  const reader = new PayloadReader(payload);
  const header = reader.uint8();
  const affectedRows = reader.lenencBigInt();
  const lastInsertId = reader.lenencBigInt();
  const status = reader.uint16();
  const warnings = reader.uint16();
  const info = reader.remaining > 0 ? reader.lenencBytes().toString() : '';
  const block = (status & Status.SessionStateChanged) !== 0 ? reader.lenencBytes() : Buffer.alloc(0);
  if (reader.remaining > 0) throw new Error(`bytes after the OK: ${payload.toString('hex')}`);
  return { header, affectedRows, lastInsertId, status, warnings, info, ...readTrackers(block) };
}

function readTrackers(block: Buffer): Pick<RawOk, 'tracked' | 'statementId' | 'gtids'> {
  const reader = new PayloadReader(block);
  const tracked = { ...NOTHING_TRACKED, variables: [] as string[] };
  let statementId: string | null = null;
  let gtids: string | null = null;
  while (reader.remaining > 0) {
    const type = reader.uint8();
    const data = reader.lenencBytes();
    const entry = new PayloadReader(data);
    switch (type) {
      case SessionTrack.SystemVariables: {
        const name = entry.lenencBytes().toString();
        const value = entry.lenencBytes().toString();
        if (name === 'statement_id') statementId = value;
        else tracked.variables.push(`${name}=${value}`);
        break;
      }
      case SessionTrack.Schema:
        tracked.schema = entry.lenencBytes().toString();
        break;
      case SessionTrack.StateChange:
        // Just '1', with no length of its own inside the entry.
        tracked.changed = entry.rest().toString() === '1';
        break;
      case SessionTrack.TransactionCharacteristics:
        tracked.characteristics = entry.lenencBytes().toString();
        break;
      case SessionTrack.TransactionState: {
        // MariaDB writes \x09\x08 (entry, string), MySQL the same: a string with a length.
        tracked.transactionState = entry.lenencBytes().toString();
        break;
      }
      case SessionTrack.Gtids:
        if (entry.uint8() !== 0) throw new Error(`GTIDs in an unknown encoding: ${data.toString('hex')}`);
        gtids = entry.lenencBytes().toString();
        break;
      default:
        throw new Error(`unknown tracker ${type}`);
    }
    if (entry.remaining > 0)
      throw new Error(`more in tracker ${type} than expected: ${data.toString('hex')}`);
  }
  tracked.variables.sort();
  return { tracked, statementId, gtids };
}

/** Later reports replace earlier ones; variables are listed one after the other. */
export function mergeTracked(list: readonly Tracked[]): Tracked {
  return list.reduce(
    (all, next) => ({
      variables: [...all.variables, ...next.variables],
      schema: next.schema ?? all.schema,
      changed: all.changed || next.changed,
      characteristics: next.characteristics ?? all.characteristics,
      transactionState: next.transactionState ?? all.transactionState,
    }),
    NOTHING_TRACKED,
  );
}
