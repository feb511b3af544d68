import { type ReplyShape, type ReplySink, ReplyTracker } from '../../../src/protocol/reply-tracker.js';
import { type Event, mergeSpans } from '../../support/replies.js';

/** Notes what it is told; puts EOFs in (that is: asks for later numbers to shift) when `inserting`. */
export class Recorder implements ReplySink {
  readonly events: Event[] = [];
  readonly #inserting: boolean;

  constructor(inserting: boolean) {
    this.#inserting = inserting;
  }

  span(buf: Buffer, start: number, end: number): void {
    this.events.push(['span', copy(buf, start, end)]);
  }

  ok(buf: Buffer, start: number, end: number, closesResultSet: boolean): void {
    this.events.push(['ok', copy(buf, start, end), closesResultSet]);
  }

  err(buf: Buffer, start: number, end: number): void {
    this.events.push(['err', copy(buf, start, end)]);
  }

  columnsEnd(sequenceId: number, rowsFollow: boolean): number {
    this.events.push(['columnsEnd', sequenceId & 0xff, rowsFollow]);
    return this.#inserting && rowsFollow ? 1 : 0;
  }

  prepared(buf: Buffer, start: number, end: number, params: number, columns: number): void {
    this.events.push(['prepared', copy(buf, start, end), params, columns]);
  }

  definitionsEnd(sequenceId: number): number {
    this.events.push(['definitionsEnd', sequenceId & 0xff]);
    return this.#inserting ? 1 : 0;
  }

  localInfile(buf: Buffer, start: number, end: number): void {
    this.events.push(['localInfile', copy(buf, start, end)]);
  }
}

function copy(buf: Buffer, start: number, end: number): Buffer {
  if (start < 0 || end > buf.length || start > end)
    throw new RangeError(`[${start}, ${end}) of ${buf.length} bytes`);
  return Buffer.from(buf.subarray(start, end));
}

export interface Followed {
  readonly events: Event[];
  readonly tracker: ReplyTracker;
}

/** Follows one reply, each piece in the middle of a buffer of its own, whose rest is `filler`. */
export function follow(
  shape: ReplyShape,
  pieces: readonly Buffer[],
  inserting: boolean,
  filler = 0xa5,
): Followed {
  const tracker = new ReplyTracker();
  const recorder = new Recorder(inserting);
  tracker.begin(shape);
  for (const piece of pieces) {
    const buf = Buffer.concat([Buffer.alloc(3, filler), piece, Buffer.alloc(10, filler)]);
    const end = 3 + piece.length;
    const reached = tracker.push(buf, 3, end, recorder);
    if (reached !== end) throw new Error(`stopped at ${reached - 3} of ${piece.length} bytes`);
  }
  return { events: mergeSpans(recorder.events), tracker };
}
