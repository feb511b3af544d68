import t from 'tap';
import { ReplyReader } from './reply-reader.js';
import { packet } from './wire.js';

const OK = packet(1, Buffer.of(0, 0, 0, 2, 0, 0, 0));
const EOF = packet(9, Buffer.of(0xfe, 0, 0, 2, 0));
const ERROR = packet(1, Buffer.concat([Buffer.of(0xff, 0x28, 0x04), Buffer.from('#42000no such thing')]));

function resultSet(rows: readonly Buffer[]): Buffer {
  const columns = [
    packet(1, Buffer.of(2)),
    packet(2, Buffer.from('\x03defone')),
    packet(3, Buffer.from('\x03deftwo')),
  ];
  return Buffer.concat([...columns, EOF, ...rows.map((row) => packet(5, row)), EOF]);
}

const REPLIES: readonly (readonly [string, Buffer])[] = [
  ['OK', OK],
  ['ERR', ERROR],
  ['no rows', resultSet([])],
  // First bytes that mean OK, NULL, and EOF elsewhere: empty text, NULL, a text of 2^24 bytes and more.
  [
    'rows',
    resultSet([Buffer.of(0, 0), Buffer.of(0xfb, 0xfb), Buffer.concat([Buffer.of(0xfe), Buffer.alloc(20)])]),
  ],
  [
    'a result that ends in an error',
    Buffer.concat([resultSet([Buffer.of(1, 65)]).subarray(0, -EOF.length), ERROR]),
  ],
];

t.test('a reply is complete at its last byte, wherever reads cut it', async (t) => {
  for (const [name, bytes] of REPLIES) {
    for (let split = 1; split < bytes.length; split += 1) {
      const reader = new ReplyReader();
      const head = reader.feed(bytes.subarray(0, split), split);
      const tail = reader.feed(bytes.subarray(split), bytes.length - split);
      if (head !== 0 || tail !== 1) {
        t.fail(`${name}, cut at ${split}: ${head} and ${tail} replies`);
      }
    }
    const reader = new ReplyReader();
    const counts = Array.from(bytes, (byte) => reader.feed(Buffer.of(byte), 1));
    t.same(counts, [...Array.from({ length: bytes.length - 1 }, () => 0), 1], `${name}, byte by byte`);
  }
});

t.test('replies that follow one another in one read', async (t) => {
  const bytes = Buffer.concat(REPLIES.map(([, reply]) => reply));
  const reader = new ReplyReader();
  t.equal(reader.feed(bytes, bytes.length), REPLIES.length);
});

t.test('only the bytes up to the end count', async (t) => {
  const reader = new ReplyReader();
  t.equal(reader.feed(Buffer.concat([OK, OK]), OK.length), 1);
});

t.test('an error is told once', async (t) => {
  const reader = new ReplyReader();
  reader.feed(ERROR, ERROR.length);
  t.equal(reader.takeError(), '1064 #42000no such thing');
  t.equal(reader.takeError(), undefined);
});

t.test('rows that span packets', async (t) => {
  const FULL = 0xff_ffff;
  for (const rest of [0, 1, 100]) {
    const row = Buffer.concat([packet(5, Buffer.alloc(FULL, 0xfe)), packet(6, Buffer.alloc(rest, 0xfe))]);
    const bytes = Buffer.concat([packet(1, Buffer.of(1)), packet(2, Buffer.from('def')), EOF, row, EOF]);
    const reader = new ReplyReader();
    const before = bytes.length - EOF.length;
    t.equal(reader.feed(bytes.subarray(0, before), before), 0, `16 MiB - 1 and ${rest}: not yet`);
    t.equal(reader.feed(EOF, EOF.length), 1, `16 MiB - 1 and ${rest}: complete`);
  }
});
