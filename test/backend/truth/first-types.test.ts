import t from 'tap';
import { Command } from '../../../src/protocol/constants.js';
import { PayloadReader } from '../../../src/protocol/payload-reader.js';
import { classesOf, type ResolvedTypes, resolve, UNRESOLVED } from '../../../src/relay/parameter-types.js';
import type { RawReply, RawSession } from '../../support/raw-session.js';
import { executePayload } from '../../support/raw-values.js';
import { forEachServer } from '../../support/servers.js';
import { openSession } from './session.js';

/** The types of a prepared statement's parameters, as results show them: MySQL's last beyond one execute. */

interface Value {
  readonly type: number;
  readonly flag: number;
  readonly value: Buffer | null;
}

const long = (type: number, flag = 0): Value => ({ type, flag, value: Buffer.of(1, 0, 0, 0, 0, 0, 0, 0) });
const written = (type: number, text: string): Value => ({
  type,
  flag: 0,
  value: Buffer.concat([Buffer.of(text.length), Buffer.from(text)]),
});
const date = (type: number): Value => ({ type, flag: 0, value: Buffer.of(4, 0xe4, 7, 1, 1) });

const VALUES: readonly Value[] = [
  long(8),
  long(8, 0x80),
  { type: 3, flag: 0, value: Buffer.of(1, 0, 0, 0) },
  { type: 1, flag: 0x80, value: Buffer.of(1) },
  { type: 5, flag: 0, value: Buffer.of(0, 0, 0, 0, 0, 0, 0xf8, 0x3f) },
  { type: 4, flag: 0, value: Buffer.of(0, 0, 0xc0, 0x3f) },
  written(246, '1.5'),
  // Texts that are numbers count as such where they meet a number, when another parameter is resolved anew.
  written(253, 'a'),
  written(254, 'a'),
  written(252, 'a'),
  date(10),
  { type: 11, flag: 0, value: Buffer.of(0) },
  date(12),
  date(7),
  { type: 6, flag: 0, value: null },
  { type: 8, flag: 0, value: null },
  { type: 253, flag: 0, value: null },
];

/** A result's type and collation by the class of the parameter that it shows. */
const SHOWN: Readonly<Record<string, string>> = {
  i: '8/63/',
  u: '8/63/u',
  d: '5/63/',
  n: '246/63/',
  s: '253/45/',
  b: '253/63/',
  y: '10/63/',
  t: '11/63/',
  m: '12/63/',
};

function columnTypes({ packets, err }: RawReply): string[] {
  if (err !== null) throw new Error(err.message);
  return packets.slice(1, 3).map(({ payload }) => {
    const reader = new PayloadReader(payload);
    for (let i = 0; i < 6; i++) reader.lenencBytes();
    reader.lenencInt();
    const collation = reader.uint16();
    reader.uint32();
    const type = reader.uint8();
    return `${type}/${collation}/${(reader.uint16() & 0x20) === 0 ? '' : 'u'}`;
  });
}

function execute(session: RawSession, id: number, values: readonly Value[]): Promise<RawReply> {
  const payload = executePayload(id, values);
  for (const [i, { flag }] of values.entries()) payload[9 + 1 + 1 + 2 * i + 1] = flag;
  return session.command(Command.StmtExecute, payload);
}

function after(resolved: ResolvedTypes, values: readonly Value[]): ResolvedTypes {
  const types = Buffer.from(values.flatMap(({ type, flag }) => [type, flag]));
  const nulls = values.reduce((bits, { value }, i) => bits | (value === null ? 1 << i : 0), 0);
  return resolve(resolved, classesOf(types, 0, values.length, Buffer.of(nulls)));
}

await forEachServer(t, async (t, server) => {
  const session = await openSession(t, server);
  let seed = 1;
  const any = (): Value => {
    seed = (seed * 48271) % 0x7fffffff;
    return VALUES[seed % VALUES.length] as Value;
  };

  await t.test('what earlier executes leave in the parameters', async (t) => {
    if (!server.isMysql) return;
    const sequences = VALUES.flatMap((one) =>
      VALUES.map((two) => [
        [one, any()],
        [two, any()],
        [any(), any()],
      ]),
    );
    for (const sequence of sequences) {
      const id = await session.prepareId('SELECT ? AS x, ? AS y');
      let resolved = UNRESOLVED;
      for (const values of sequence) {
        resolved = after(resolved, values);
        const expected = [...resolved].map((one) => SHOWN[one]);
        const told = JSON.stringify(sequence.map((list) => list.map(({ type, flag }) => [type, flag])));
        t.strictSame(columnTypes(await execute(session, id, values)), expected, told);
      }
      const closing = Buffer.alloc(9);
      closing.writeUIntLE(5, 0, 3);
      closing[4] = Command.StmtClose;
      closing.writeUInt32LE(id, 5);
      session.channel.write(closing);
    }
  });

  await t.test('MariaDB takes the types of each execute', async (t) => {
    if (server.isMysql) return;
    const id = await session.prepareId('SELECT ? AS x, ? AS y');
    const types = async (...values: Value[]): Promise<string[]> =>
      columnTypes(await execute(session, id, values));
    const fresh = await types(written(253, 'a'), long(8));
    t.not(fresh[0], fresh[1]);
    t.strictSame(await types(long(8), written(253, 'a')), [...fresh].reverse());
    t.strictSame(await types(written(253, 'a'), long(8)), fresh);
  });
});
