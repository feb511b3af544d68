import { Status } from '../../src/protocol/constants.js';
import { PayloadReader } from '../../src/protocol/payload-reader.js';
import { packets, type RawClient, type RawPacket } from '../support/raw-client.js';

export interface ResultsOptions {
  /** What the client answers to LOCAL INFILE. */
  readonly infile: Buffer | null;
  /**
   * A cursor was asked for. Otherwise the flag means nothing: MySQL raises it in results of procedures that have used a cursor of their
   * own, whose rows follow all the same.
   */
  readonly cursor: boolean;
}

const FULL_PACKET = 0xffffff;

/** All packets of a reply to COM_QUERY or COM_STMT_EXECUTE. */
export async function readResults(client: RawClient, options: ResultsOptions): Promise<RawPacket[]> {
  const taken: RawPacket[] = [];
  const next = async (): Promise<Buffer> => {
    const packet = await client.expect();
    taken.push(packet);
    return packet.payload;
  };
  for (;;) {
    const status = await readResult(client, next, taken, options);
    if (status === null || (status & Status.MoreResultsExist) === 0) return taken;
  }
}

/** One result. @returns its status; null after an error, or where a cursor has the rows */
async function readResult(
  client: RawClient,
  next: () => Promise<Buffer>,
  taken: readonly RawPacket[],
  { infile, cursor }: ResultsOptions,
): Promise<number | null> {
  let head = await next();
  if (head[0] === 0xfb) {
    sendFile(client, (taken.at(-1)?.sequenceId ?? 0) + 1, infile);
    head = await next();
  }
  if (head[0] === 0xff) return null;
  if (head[0] === 0x00) return okStatus(head);
  const columns = new PayloadReader(head).lenencInt();
  for (let i = 0; i < columns; i++) {
    if ((await next())[0] === 0xff) return null;
  }
  const before = client.deprecateEof ? 0 : (await next()).readUInt16LE(3);
  if (cursor && (before & Status.CursorExists) !== 0) return null;
  const last = await readRows(next);
  if (last[0] === 0xff) return null;
  const status = client.deprecateEof ? okStatus(last) : last.readUInt16LE(3);
  // MySQL says it of OUT parameters only before their row.
  return (before & Status.PsOutParams) !== 0 ? status | (before & Status.MoreResultsExist) : status;
}

/** Rows up to what ends them, which is returned. */
async function readRows(next: () => Promise<Buffer>): Promise<Buffer> {
  for (;;) {
    const payload = await next();
    if (payload[0] === 0xff || (payload[0] === 0xfe && payload.length < FULL_PACKET)) return payload;
  }
}

function sendFile(client: RawClient, sequenceId: number, content: Buffer | null): void {
  if (content !== null && content.length > 0) {
    client.send(content, sequenceId);
    client.send(Buffer.alloc(0), sequenceId + packets(content).length);
  } else {
    client.send(Buffer.alloc(0), sequenceId);
  }
}

function okStatus(payload: Buffer): number {
  const reader = new PayloadReader(payload);
  reader.skip(1);
  reader.lenencBigInt();
  reader.lenencBigInt();
  return reader.uint16();
}
