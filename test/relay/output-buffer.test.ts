import assert from 'node:assert/strict';
import t from 'tap';
import { type ByteSink, OutputBuffer } from '../../src/relay/output-buffer.js';
import { fc } from '../support/properties.js';

/** A sink that keeps what it is given, as a socket does whose peer does not read; {@link drain} is the peer reading. */
class HoldingSink implements ByteSink {
  readonly writes: Buffer[] = [];
  holds = false;
  readonly #pending: Uint8Array[] = [];

  get writableLength(): number {
    return this.#pending.reduce((sum, { length }) => sum + length, 0);
  }

  /** All that arrived and all that waits. */
  get received(): Buffer {
    return Buffer.concat([...this.writes, ...this.#pending]);
  }

  write(buf: Uint8Array): boolean {
    if (this.holds || this.#pending.length > 0) this.#pending.push(buf);
    else this.writes.push(Buffer.from(buf));
    return this.#pending.length === 0;
  }

  drain(): void {
    this.writes.push(...this.#pending.splice(0).map((held) => Buffer.from(held)));
  }
}

/** A sink as a TLS socket is one: what is written while nothing waits is encrypted at once, and complete only later. */
class EncryptingSink implements ByteSink {
  readonly encrypted = true;
  readonly writes: Buffer[] = [];
  /** Each of its writes is complete only when it is drained. */
  holds = true;
  readonly #queue: Uint8Array[] = [];
  #underWay = 0;

  get writableLength(): number {
    return this.#queue.reduce((sum, { length }) => sum + length, this.#underWay);
  }

  get received(): Buffer {
    return Buffer.concat([...this.writes, ...this.#queue]);
  }

  write(buf: Uint8Array): boolean {
    if (this.#underWay > 0) this.#queue.push(buf);
    else {
      this.writes.push(Buffer.from(buf));
      this.#underWay = buf.length;
    }
    return false;
  }

  drain(): void {
    this.writes.push(...this.#queue.splice(0).map((held) => Buffer.from(held)));
    this.#underWay = 0;
  }
}

/** More than a channel reads at once: a packet that was held back until it was whole may be longer. */
const READ_SIZE = 256 * 1024;

/** What happens between two flushes. */
type Step =
  | { readonly kind: 'span'; readonly gap: number; readonly length: number }
  | { readonly kind: 'insert'; readonly length: number };

const length = fc.oneof({ weight: 6, arbitrary: fc.nat(40) }, fc.integer({ min: 20_000, max: 140_000 }));
const spanLength = fc.oneof(
  { weight: 6, arbitrary: fc.nat(30_000) },
  fc.integer({ min: 100_000, max: 150_000 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('span' as const), gap: fc.constantFrom(0, 0, 0, 4), length: spanLength }),
  fc.record({ kind: fc.constant('insert' as const), length }),
);
const chunk = fc.record({
  steps: fc.array(step, { maxLength: 9 }),
  holds: fc.boolean(),
  drain: fc.boolean(),
});

const PATTERN = Buffer.from(Array.from({ length: 251 }, (_, i) => i));
let counter = 0;
/** Bytes that are not those of the buffer before. */
function fresh(length: number): Buffer {
  counter = (counter + 67) % PATTERN.length;
  return Buffer.alloc(length, Buffer.concat([PATTERN.subarray(counter), PATTERN.subarray(0, counter)]));
}

for (const Sink of [HoldingSink, EncryptingSink]) {
  t.test(
    `what goes in comes out in order, and nothing that waits is ever overwritten: ${Sink.name}`,
    async () => {
      fc.assert(
        fc.property(fc.array(chunk, { maxLength: 12 }), (chunks) => {
          const output = new OutputBuffer();
          const sink = new Sink();
          const expected: Buffer[] = [];
          let readBuffer = Buffer.alloc(READ_SIZE);
          for (const { steps, holds, drain } of chunks) {
            sink.holds = holds;
            if (drain) sink.drain();
            fresh(READ_SIZE).copy(readBuffer);
            let at = 0;
            for (const one of steps) {
              if (one.kind === 'insert') {
                const bytes = fresh(one.length);
                expected.push(Buffer.from(bytes));
                output.insert(bytes, sink);
                bytes.fill(0xee);
              } else if (at + one.gap + one.length <= READ_SIZE && one.length > 0) {
                at += one.gap;
                expected.push(Buffer.from(readBuffer.subarray(at, at + one.length)));
                output.span(readBuffer, at, at + one.length, sink);
                at += one.length;
              }
            }
            if (output.flush(sink)) readBuffer = Buffer.alloc(READ_SIZE);
            else readBuffer.fill(0xee);
          }
          sink.drain();
          assert.equal(Buffer.concat(expected).compare(sink.received), 0);
        }),
        { numRuns: 200 },
      );
    },
  );
}

t.test('what TLS has encrypted waits for nobody', async (t) => {
  const output = new OutputBuffer();
  const sink = new EncryptingSink();
  const read = fresh(1_000);
  output.span(read, 0, 100, sink);
  t.equal(output.flush(sink), false, 'the read buffer is free though the write is not complete');
  t.ok(sink.writableLength > 0);
  output.span(read, 100, 200, sink);
  t.equal(output.flush(sink), true, 'what comes behind it is not encrypted yet');
});

t.test('a reply that needs no change is one write of the read buffer itself', async (t) => {
  const output = new OutputBuffer();
  const written: Uint8Array[] = [];
  const sink = { writableLength: 0, write: (buf: Uint8Array) => written.push(buf) > 0 };
  const read = fresh(1_000);
  for (let at = 10; at < 900; at += 100) output.span(read, at, at + 100, sink);
  t.equal(output.flush(sink), false);
  t.equal(written.length, 1);
  t.equal(written[0]?.buffer, read.buffer);
  t.strictSame(written[0], read.subarray(10, 910));
  t.equal(output.flush(sink), false, 'nothing left');
  t.equal(written.length, 1);
});

t.test('a reply with an EOF put in is one write as well', async (t) => {
  const output = new OutputBuffer();
  const written: Uint8Array[] = [];
  const sink = { writableLength: 1, write: (buf: Uint8Array) => written.push(buf) > 0 };
  const read = fresh(60_000);
  output.span(read, 0, 100, sink);
  output.insert(Buffer.from('EOF'), sink);
  output.span(read, 100, 60_000, sink);
  t.equal(output.flush(sink), false, 'the read buffer is free though the sink holds the write');
  t.equal(written.length, 1);
  t.strictSame(written[0], Buffer.concat([read.subarray(0, 100), Buffer.from('EOF'), read.subarray(100)]));
});

t.test('what one sink left behind never reaches another', async (t) => {
  const output = new OutputBuffer();
  const first = new HoldingSink();
  const second = new HoldingSink();
  const read = Buffer.from('secret public');
  const leave: (() => void)[] = [
    () => output.span(read, 0, 6, first),
    () => output.insert(read.subarray(0, 6), first),
    () => {
      output.insert(read.subarray(0, 3), first);
      output.span(read, 3, 6, first);
    },
  ];
  const then: (() => void)[] = [
    () => output.span(read, 6, 13, second),
    () => output.insert(read.subarray(6), second),
    () => {},
  ];
  for (const before of leave) {
    for (const after of then) {
      before();
      after();
      output.flush(second);
      t.notMatch(second.received.toString(), /secret/);
    }
  }
  t.equal(second.received.toString(), ' public'.repeat(6));
  t.equal(first.received.length, 0);
});

t.test('what was dropped is gone, and only for the sink it was meant for', async (t) => {
  const output = new OutputBuffer();
  const sink = new HoldingSink();
  const read = Buffer.from('gone here');
  output.span(read, 0, 4, sink);
  output.drop(new HoldingSink());
  output.drop(sink);
  output.span(read, 4, 9, sink);
  output.drop(new HoldingSink());
  output.flush(sink);
  t.equal(sink.received.toString(), ' here');
});
