import type { Random } from '../oracle/random.js';
import type { Ending, FuzzCase, Write } from './case.js';

/** Values at which readers of lengths, counts and ids go wrong. */
const EDGES = [
  0x00, 0x01, 0x02, 0x03, 0x04, 0x09, 0x0f, 0x1f, 0x7f, 0x80, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
];
/** Length-encoded integers: small, at each width's edge, longer than can be, NULL, and none. */
const LENENCS = [
  '00',
  'fa',
  'fb',
  'fcfb00',
  'fcffff',
  'fd000001',
  'fdffffff',
  'fe0000000001000000',
  'feffffffffffff1f00',
  'feffffffffffffff7f',
  'feffffffffffffffff',
  'ff',
  'fc0100',
  'fe0100000000000000',
].map((hex) => Buffer.from(hex, 'hex'));
const LENGTHS = [0, 1, 2, 3, 4, 5, 31, 32, 33, 250, 251, 0xffff, 0x10000, 0xfffffe, 0xffffff];
const WORDS = [
  'SELECT ',
  'SET ',
  '@@',
  '@x:=1',
  '/*!',
  '/*M!',
  '*/',
  '--',
  ';',
  "'",
  '"',
  '`',
  '\\',
  '?',
  'NULL',
  '\0',
  'BEGIN;',
  'COMMIT',
  'USE ',
  'PREPARE s FROM ',
  'GET_LOCK("a",0)',
  'LOCK TABLES',
  '$$',
  'BINARY ',
  '(',
];
/** Bytes of one case at most: longer ones find nothing more, slowly. */
const MAX_BYTES = 200_000;
const MAX_WRITES = 60;
/** Of one write, that are told apart. */
const MOST_PACKETS = 24;
const ENDINGS: readonly Ending[] = ['fin', 'fin', 'reset', 'stay'];

interface Packet {
  sequenceId: number;
  /** What the header says, where that is not the payload's own length. */
  length: number | null;
  payload: Buffer;
  /** Not a packet but the rest of a long write, as it is. */
  raw?: true;
}

interface Draft {
  packets: { packet: Packet; waits: boolean }[];
  ending: Ending;
}

type Mutation = (draft: Draft, random: Random, others: readonly FuzzCase[]) => void;

/** Changes cases at random: bytes, and what is known to matter in packets (lengths, counts, ids, order, splits). */
export class Mutator {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @param others from which parts may be taken */
  mutate(from: FuzzCase, others: readonly FuzzCase[]): FuzzCase {
    const random = this.#random;
    const draft = draftOf(from);
    for (let left = 1 + random.below(random.chance(0.2) ? 12 : 3); left > 0; left--)
      random.weighted(MUTATIONS, ([weight]) => weight)[1](draft, random, others);
    return this.#written(draft);
  }

  /** Packets as writes: as they are, joined, or cut at any place. */
  #written({ packets, ending }: Draft): FuzzCase {
    const random = this.#random;
    const style = random.weighted([6, 2, 2, 1], (weight) => weight);
    const writes: Write[] = [];
    let size = 0;
    for (const { packet, waits } of packets.slice(0, MAX_WRITES)) {
      const bytes = bytesOf(packet);
      size += bytes.length;
      if (size > MAX_BYTES) break;
      const last = writes.at(-1);
      if (style === 2 && last !== undefined && !last.waits) {
        writes[writes.length - 1] = { bytes: Buffer.concat([last.bytes, bytes]), waits };
      } else if (style === 1 && bytes.length > 1) {
        const at = 1 + random.below(Math.min(bytes.length - 1, random.chance(0.5) ? 6 : bytes.length - 1));
        writes.push({ bytes: bytes.subarray(0, at), waits: random.chance(0.5) });
        writes.push({ bytes: bytes.subarray(at), waits });
      } else writes.push({ bytes, waits });
    }
    return { writes, ending };
  }
}

function draftOf({ writes, ending }: FuzzCase): Draft {
  return {
    packets: writes.flatMap(({ bytes, waits }) => {
      const packets = packetsOf(bytes);
      return packets.map((packet, i) => ({ packet, waits: waits && i === packets.length - 1 }));
    }),
    ending,
  };
}

/** What is no whole packet is kept as one whose header lies. */
function packetsOf(bytes: Buffer): Packet[] {
  const packets: Packet[] = [];
  for (let pos = 0; pos < bytes.length; ) {
    if (packets.length >= MOST_PACKETS) {
      packets.push({ sequenceId: 0, length: null, payload: Buffer.from(bytes.subarray(pos)), raw: true });
      break;
    }
    if (pos + 4 > bytes.length) {
      packets.push({ sequenceId: 0, length: bytes.length - pos, payload: bytes.subarray(pos) });
      break;
    }
    const length = bytes.readUIntLE(pos, 3);
    const payload = Buffer.from(bytes.subarray(pos + 4, pos + 4 + length));
    const sequenceId = bytes[pos + 3] ?? 0;
    packets.push({ sequenceId, length: payload.length === length ? null : length, payload });
    pos += 4 + length;
  }
  return packets;
}

function bytesOf({ sequenceId, length, payload, raw }: Packet): Buffer {
  if (raw === true) return payload;
  const said = length ?? payload.length;
  return Buffer.concat([Buffer.of(said, said >> 8, said >> 16, sequenceId), payload]);
}

/** Where to change something: more often near the front, where what decides stands. */
function place(length: number, random: Random): number {
  if (length === 0) return 0;
  return random.chance(0.4) ? random.below(Math.min(length, 24)) : random.below(length);
}

function splice(payload: Buffer, at: number, removed: number, inserted: Buffer): Buffer {
  return Buffer.concat([payload.subarray(0, at), inserted, payload.subarray(at + removed)]);
}

/** A mutation of one packet. */
function one(change: (packet: Packet, random: Random) => void): Mutation {
  return ({ packets }, random) => {
    if (packets.length > 0) change(random.pick(packets).packet, random);
  };
}

const MUTATIONS: readonly (readonly [weight: number, mutation: Mutation])[] = [
  [
    6,
    one((packet, random) => {
      const at = place(packet.payload.length, random);
      packet.payload = splice(packet.payload, at, 1, Buffer.of(random.pick(EDGES)));
    }),
  ],
  [
    4,
    one(({ payload }, random) => {
      const at = place(payload.length, random);
      if (at < payload.length) payload[at] = (payload[at] ?? 0) ^ (1 << random.below(8));
    }),
  ],
  [
    4,
    one((packet, random) => {
      const removed = random.pick([0, 1, 1, 2, 3, 4, 9]);
      packet.payload = splice(
        packet.payload,
        place(packet.payload.length, random),
        removed,
        random.pick(LENENCS),
      );
    }),
  ],
  [
    3,
    one((packet, random) => {
      packet.payload = packet.payload.subarray(0, random.below(packet.payload.length + 1));
    }),
  ],
  [
    2,
    one((packet, random) => {
      const count = random.pick([1, 2, 8, 64, 300, 5000]);
      const filler = Buffer.alloc(count, random.pick(EDGES));
      packet.payload = splice(packet.payload, place(packet.payload.length + 1, random), 0, filler);
    }),
  ],
  [
    3,
    one((packet, random) => {
      packet.payload = splice(
        packet.payload,
        place(packet.payload.length, random),
        0,
        Buffer.from(random.pick(WORDS)),
      );
    }),
  ],
  [
    2,
    one((packet, random) => {
      const at = place(packet.payload.length, random);
      packet.payload = splice(packet.payload, at, 1 + random.below(8), Buffer.alloc(0));
    }),
  ],
  [
    3,
    one((packet, random) => {
      packet.length = random.chance(0.3)
        ? Math.max(0, packet.payload.length + random.below(9) - 4)
        : random.pick(LENGTHS);
    }),
  ],
  [
    2,
    one((packet, random) => {
      packet.sequenceId = random.chance(0.5) ? (packet.sequenceId + 1) & 0xff : random.pick(EDGES);
    }),
  ],
  [
    2,
    ({ packets }, random) => {
      if (packets.length > 0) packets.splice(random.below(packets.length), 1);
    },
  ],
  [
    2,
    ({ packets }, random) => {
      const from = packets[random.below(packets.length)];
      if (from === undefined) return;
      const copy = {
        packet: { ...from.packet, payload: Buffer.from(from.packet.payload) },
        waits: from.waits,
      };
      packets.splice(random.below(packets.length + 1), 0, ...Array(1 + random.below(3)).fill(copy));
    },
  ],
  [
    1,
    ({ packets }, random) => {
      const [a, b] = [random.below(packets.length), random.below(packets.length)];
      const [first, second] = [packets[a], packets[b]];
      if (first === undefined || second === undefined) return;
      packets[a] = second;
      packets[b] = first;
    },
  ],
  [
    3,
    ({ packets }, random, others) => {
      // Packets of another case, in the place of some of these.
      if (others.length === 0) return;
      const foreign = draftOf(random.pick(others)).packets;
      const start = random.below(foreign.length + 1);
      const part = foreign.slice(start, start + 1 + random.below(4));
      packets.splice(random.below(packets.length + 1), random.below(3), ...part);
    },
  ],
  [
    2,
    ({ packets }, random, others) => {
      // The end of another packet behind the beginning of this one.
      if (packets.length === 0 || others.length === 0) return;
      const { packet } = random.pick(packets);
      const foreign = draftOf(random.pick(others)).packets;
      const other = foreign[random.below(foreign.length)]?.packet.payload ?? Buffer.alloc(0);
      packet.payload = Buffer.concat([
        packet.payload.subarray(0, random.below(packet.payload.length + 1)),
        other.subarray(random.below(other.length + 1)),
      ]);
    },
  ],
  [
    1,
    ({ packets }, random) => {
      const entry = packets[random.below(packets.length)];
      if (entry !== undefined) entry.waits = !entry.waits;
    },
  ],
  [
    1,
    (draft, random) => {
      draft.ending = random.pick(ENDINGS);
    },
  ],
];
