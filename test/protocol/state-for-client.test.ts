import t from 'tap';
import { HEADER_SIZE, SessionTrack } from '../../src/protocol/constants.js';
import { PayloadWriter } from '../../src/protocol/payload-writer.js';
import { stateForClient, TOLD_ALL, type ToldState } from '../../src/protocol/session-state.js';

/** What of a server's reports a client gets to see. */

const NOTHING: ToldState = {
  schema: false,
  stateChange: false,
  transactionState: false,
  characteristics: false,
  gtids: false,
  variables: new Set(),
};

function bytes(fill: (writer: PayloadWriter) => PayloadWriter): Buffer {
  return fill(new PayloadWriter()).packet(0).subarray(HEADER_SIZE);
}

function entry(type: number, content: Buffer): Buffer {
  return bytes((writer) => writer.uint8(type).lenencBytes(content));
}

const text = (value: string): Buffer => bytes((writer) => writer.lenencText(value));
const variables = (...texts: string[]): Buffer =>
  entry(SessionTrack.SystemVariables, Buffer.concat(texts.map(text)));

const SCHEMA = entry(SessionTrack.Schema, text('app'));
const CHANGED = entry(SessionTrack.StateChange, text('1'));
const STATE = entry(SessionTrack.TransactionState, text('T_______'));
const CHARACTERISTICS = entry(SessionTrack.TransactionCharacteristics, text('BEGIN;'));
const GTIDS = entry(SessionTrack.Gtids, text('gtids'));
/** Of a server that is newer than this. */
const OTHER = entry(99, text('other'));
/** As MariaDB writes them: all in one entry. */
const PAIRS = variables('autocommit', 'ON', 'Time_Zone', 'SYSTEM', 'sql_mode', '');
const ALL = Buffer.concat([PAIRS, SCHEMA, CHANGED, STATE, CHARACTERISTICS, GTIDS, OTHER]);

t.test('each entry by what the client asked for', async (t) => {
  const cases: [Partial<ToldState>, Buffer[]][] = [
    [{}, [OTHER]],
    [{ schema: true }, [SCHEMA, OTHER]],
    [{ stateChange: true }, [CHANGED, OTHER]],
    [{ transactionState: true }, [STATE, OTHER]],
    [{ characteristics: true }, [CHARACTERISTICS, OTHER]],
    [{ gtids: true }, [GTIDS, OTHER]],
    [{ variables: new Set(['time_zone']) }, [variables('Time_Zone', 'SYSTEM'), OTHER]],
    [
      { variables: new Set(['sql_mode', 'autocommit', 'other']) },
      [variables('autocommit', 'ON'), variables('sql_mode', ''), OTHER],
    ],
  ];
  for (const [told, kept] of cases) {
    const got = stateForClient(ALL, 0, ALL.length, { ...NOTHING, ...told });
    t.equal(
      got.toString('latin1'),
      Buffer.concat(kept).toString('latin1'),
      JSON.stringify(Object.keys(told)),
    );
  }
});

t.test('one that asked for all gets all', async (t) => {
  const within = Buffer.concat([Buffer.from('before'), ALL, Buffer.from('behind')]);
  const got = stateForClient(within, 6, 6 + ALL.length, TOLD_ALL);
  const apart = [variables('autocommit', 'ON'), variables('Time_Zone', 'SYSTEM'), variables('sql_mode', '')];
  t.equal(
    got.toString('latin1'),
    Buffer.concat([...apart, SCHEMA, CHANGED, STATE, CHARACTERISTICS, GTIDS, OTHER]).toString('latin1'),
  );
});
