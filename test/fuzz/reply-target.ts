import { Capability, Command } from '../../src/protocol/constants.js';
import { encodeResponse, framed } from '../protocol/support/client-side.js';
import { commandPayload, loginOf, MODERN } from '../support/raw-client.js';
import { executePayload, int, text } from '../support/raw-values.js';
import { Canaries } from './canary.js';
import type { FuzzCase, Write } from './case.js';
import { type Fuzzed, poolsAtRest } from './client-targets.js';
import { NATIVE_PROOF, type Outcome, runClientCase } from './fuzz-client.js';
import { Recorder, type Transcript } from './recorder.js';
import { ReplayServer } from './replay-server.js';
import { tagOf } from './tags.js';
import { type FuzzWorld, openFuzzWorld } from './world.js';

const TAG = tagOf('FUZZED', 0);
const CAPABILITIES = MODERN | Capability.PluginAuth;

function command(byte: Command, payload: Uint8Array | string = ''): Buffer {
  return framed(commandPayload(byte, payload), 0);
}

function query(sql: string): Buffer {
  return command(Command.Query, sql);
}

/** What clients ask whose answers are fuzzed; each statement has the mark by which the server knows. */
const QUESTIONS: readonly (readonly Buffer[])[] = [
  [query(`SELECT '${TAG}'`)],
  [query(`SELECT v, '${TAG}' FROM fuzz WHERE v < 4`)],
  [query(`SELECT '${TAG}'; SELECT 2; DO 1`)],
  [query(`SELECT no_such_column /* ${TAG} */`)],
  [query(`INSERT INTO fuzz /* ${TAG} */ VALUES (1)`)],
  [query(`SET /* ${TAG} */ time_zone = '+01:00', @x = 1`), query(`SELECT '${TAG}', @@time_zone`)],
  [query(`USE /* ${TAG} */ information_schema`)],
  [query(`/* ${TAG} */ BEGIN`), query(`/* ${TAG} */ COMMIT`)],
  [query(`SELECT '${TAG}', LAST_INSERT_ID(), FOUND_ROWS()`), query(`SHOW WARNINGS /* ${TAG} */`)],
  [
    query(`LOAD DATA /* ${TAG} */ LOCAL INFILE 'x' INTO TABLE fuzz (v)`),
    framed(Buffer.from('7\n'), 2),
    framed(Buffer.alloc(0), 3),
  ],
  [
    command(Command.StmtPrepare, `SELECT '${TAG}', ?, ? FROM fuzz`),
    command(Command.StmtExecute, executePayload(1, [int(1), text(TAG)])),
    command(Command.StmtExecute, executePayload(1, [int(1), text(TAG)], { cursor: 1 })),
    command(Command.StmtFetch, Buffer.from('0100000002000000', 'hex')),
    command(Command.StmtReset, Buffer.of(1, 0, 0, 0)),
  ],
  [command(Command.FieldList, 'fuzz\0'), query(`SELECT '${TAG}'`)],
  [query(`SELECT REPEAT('${TAG}', 4000)`)],
  [query(`SELECT GET_LOCK('${TAG}', 0)`), command(Command.ResetConnection), query(`SELECT '${TAG}'`)],
];

/** First write: what the client sends. The rest: what the server answers to what has the mark, and to what follows it. */
async function recordSeeds(world: FuzzWorld, transcripts: readonly Transcript[]): Promise<FuzzCase[]> {
  const seeds: FuzzCase[] = [];
  for (const questions of QUESTIONS) {
    const before = transcripts.map(({ exchanges }) => exchanges.length);
    await runClientCase(world, caseOf(world, questions, []), 'CANARY-', () => quiet(transcripts));
    await poolsAtRest(world);
    const said = transcripts.map(({ exchanges }, i) => exchanges.slice(before[i] ?? 0));
    const replies = said.flatMap((exchanges) => {
      const first = exchanges.findIndex(({ request }) => request.includes(TAG));
      if (first < 0) return [];
      const mine = exchanges.slice(first);
      const next = mine.findIndex(({ request }) => request.includes('CANARY-'));
      return next < 0 ? mine : mine.slice(0, next);
    });
    seeds.push(
      caseOf(
        world,
        questions,
        replies.map(({ reply }) => ({ bytes: reply, waits: true })),
      ),
    );
  }
  return seeds;
}

/** What well-behaved clients say is recorded as well. */
async function rehearse(world: FuzzWorld): Promise<void> {
  const canaries = new Canaries(world, 2, 0);
  while (canaries.answers < 100) await new Promise((resolve) => setTimeout(resolve, 10));
  await canaries.stop();
  await poolsAtRest(world);
}

/** Until nothing more is said. */
async function quiet(transcripts: readonly Transcript[]): Promise<void> {
  for (let [before, same] = [0, 0]; same < 4; ) {
    await new Promise((resolve) => setTimeout(resolve, 15));
    const now = transcripts.reduce((sum, { exchanges }) => sum + exchanges.length, 0);
    same = now === before ? same + 1 : 0;
    before = now;
  }
}

function caseOf(
  { user, schema }: FuzzWorld,
  questions: readonly Buffer[],
  answers: readonly Write[],
): FuzzCase {
  const login = encodeResponse({
    capabilities: CAPABILITIES | Capability.ConnectWithDb,
    user,
    schema,
    plugin: 'mysql_native_password',
    authResponse: NATIVE_PROOF,
  });
  const bytes = Buffer.concat([framed(login, 1), ...questions]);
  return { writes: [{ bytes, waits: true }, ...answers], ending: 'stay' };
}

/** The client's part, one write a packet. */
function clientCase({ writes: [first], ending }: FuzzCase, tag: string): FuzzCase {
  const bytes = first?.bytes ?? Buffer.alloc(0);
  const marked = Buffer.from(bytes.toString('latin1').replaceAll(TAG, tag), 'latin1');
  const loginEnd = 4 + marked.readUIntLE(0, 3);
  const writes = [
    { bytes: marked.subarray(0, loginEnd), waits: true },
    { bytes: marked.subarray(loginEnd), waits: true },
  ];
  return { writes, ending: ending === 'stay' ? 'stay' : 'fin' };
}

/** What a server answers to a client, with well-behaved clients on the same sessions. */
export async function fuzzedReplies(upstream: string): Promise<Fuzzed> {
  const { host, port } = loginOf(upstream);
  const recorder = await Recorder.open({ host, port });
  let seeds: FuzzCase[];
  try {
    const world = await openFuzzWorld(recorder.url(upstream));
    await rehearse(world);
    seeds = await recordSeeds(world, recorder.transcripts);
    await poolsAtRest(world);
    await world.close();
  } finally {
    recorder.close();
  }
  const replay = await ReplayServer.open(recorder.transcripts);
  const world = await openFuzzWorld(replay.url(upstream));
  let canaries = new Canaries(world);
  let serial = 0;
  const seen = { answers: 0, errors: 0 };
  const run = async (fuzzed: FuzzCase): Promise<Outcome> => {
    const tag = tagOf('FUZZED', ++serial);
    const number = tag.slice(-8);
    replay.cases.set(number, { writes: fuzzed.writes.slice(1), ending: fuzzed.ending });
    const outcome = await runClientCase(world, clientCase(fuzzed, tag), 'CANARY-');
    replay.cases.delete(number);
    return outcome;
  };
  return {
    seeds,
    width: 8,
    fixed: 1,
    run,
    atRest: async () => {
      await canaries.stop();
      const violations = [...canaries.violations, ...(await poolsAtRest(world))];
      seen.answers += canaries.answers;
      seen.errors += canaries.errors;
      canaries = new Canaries(world);
      return violations;
    },
    report: () =>
      `${seen.answers} answers and ${seen.errors} errors of well-behaved clients, ${replay.unknown.size} requests not recorded (${[
        ...replay.unknown,
      ]
        .slice(0, 3)
        .map((one) => JSON.stringify(one.slice(0, 60)))
        .join()})`,
    close: async () => {
      await canaries.stop();
      await world.close();
      replay.close();
    },
  };
}
