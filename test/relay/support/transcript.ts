import { Capability, Status } from '../../../src/protocol/constants.js';
import type { RawClient, RawPacket } from '../../support/raw-client.js';
import { readOk } from '../../support/raw-ok.js';
import type { Script } from './steps.js';

export interface Line {
  readonly name: string;
  readonly bytes: string;
  /** What `between` said. */
  readonly disturbance: string | null;
}

/** Runs a script; `between` runs after each step that does not keep the session. */
export async function transcript(
  client: RawClient,
  steps: Script,
  between: () => Promise<string | null>,
): Promise<Line[]> {
  const statements = new Map<string, number>();
  const result: Line[] = [];
  for (const { name, run, keeps, mask } of steps) {
    const reply = mask(await run(client, statements)).map(sessionStatus);
    const tracking = (client.capabilities & Capability.SessionTrack) !== 0;
    const bytes = reply
      .map(
        ({ sequenceId, payload }) =>
          `${sequenceId} ${(tracking ? trackedOk(payload) : null) ?? readable(payload)}`,
      )
      .join('\n');
    const disturbance = keeps ? null : await between();
    result.push({ name, bytes, disturbance });
  }
  return result;
}

/** In transaction (read-only), autocommit, NO_BACKSLASH_ESCAPES, ANSI_QUOTES (MariaDB). */
const STATUS_OF_SESSION = 0x1 | 0x2 | 0x200 | 0x2000 | 0x8000;

/**
 * What the statement itself will have to say (warnings so far, whether it used an index, whether more results follow) stands
 * in the EOF before the rows as well, which is put in before the server has said it.
 */
function sessionStatus(packet: RawPacket): RawPacket {
  if (packet.endsColumns !== true) return packet;
  const payload = Buffer.from(packet.payload);
  payload.writeUInt16LE(0, 1);
  payload.writeUInt16LE(payload.readUInt16LE(3) & STATUS_OF_SESSION, 3);
  return { ...packet, payload };
}

/**
 * What an OK says to a client with session tracking, or null where it is none: the order of what is tracked differs
 * from one start of MariaDB to the next, and MySQL tells of transactions although it was not asked to.
 */
function trackedOk(payload: Buffer): string | null {
  try {
    const { tracked, ...ok } = readOk(payload);
    const said = { ...ok, status: ok.status & ~Status.SessionStateChanged, statementId: null };
    return JSON.stringify({ ...said, ...tracked, transactionState: null }, (_, value) =>
      typeof value === 'bigint' ? String(value) : value,
    );
  } catch {
    // A row, or part of one.
    return null;
  }
}

/** Every byte, and yet to be read in a difference. */
function readable(payload: Buffer): string {
  if (payload.length > 5_000)
    return `${payload.length} bytes, sum ${payload.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7)}`;
  return payload
    .toString('latin1')
    .replace(/[^\x20-\x5b\x5d-\x7e]/g, (c) => `\\${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
