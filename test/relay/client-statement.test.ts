import assert from 'node:assert/strict';
import t from 'tap';
import type { ServerSession } from '../../src/backend/server-session.js';
import { type ServerStatement, StatementCache } from '../../src/backend/statement-cache.js';
import {
  ClientStatement,
  ExecuteRewrite,
  rewriteExecute,
  serverStatement,
  statementKey,
  withTypes,
} from '../../src/relay/client-statement.js';
import { ProfileRegistry, type SessionProfile } from '../../src/session/profile.js';
import type { StatementTraits } from '../../src/sql/traits.js';
import { packet, u32 } from '../support/packets.js';
import { fc } from '../support/properties.js';

const registry = new ProfileRegistry();
const BASELINE = registry.baseline(
  new Map([
    ['sql_mode', ''],
    ['character_set_client', 'utf8mb4'],
    ['collation_connection', 'utf8mb4_general_ci'],
    ['time_zone', 'SYSTEM'],
  ]),
);
const PROFILE = registry.initial(BASELINE, 'app', false);
/** Not looked at by what is tested here. */
const TRAITS = {} as StatementTraits;

function clientStatement(
  parameters: number,
  profile: SessionProfile = PROFILE,
  sql = 'SELECT ?',
): ClientStatement {
  return new ClientStatement(3, Buffer.from(sql), TRAITS, profile, parameters);
}

interface Execute {
  readonly id: number;
  readonly flags: number;
  /** The null bitmap; empty for a statement without parameters. */
  readonly nulls: Uint8Array;
  /** 1 or more: types follow. */
  readonly bound: number;
  readonly types: Uint8Array | null;
  readonly values: Uint8Array;
}

/** COM_STMT_EXECUTE as its page in the protocol documentation has it. */
function executePacket({ id, flags, nulls, bound, types, values }: Execute, parameters: number): Buffer {
  const fixed = [Buffer.of(0x17), u32(id), Buffer.of(flags), u32(1)];
  if (parameters === 0) return packet(0, Buffer.concat(fixed));
  return packet(
    0,
    Buffer.concat([...fixed, nulls, Buffer.of(types === null ? 0 : bound), types ?? Buffer.alloc(0), values]),
  );
}

/** What a server makes of it: it remembers the types of the statement's last execute that had some. */
class Server {
  #types: Buffer | null = null;

  execute(bytes: Buffer, parameters: number): Execute {
    assert.equal(bytes.readUIntLE(0, 3), bytes.length - 4);
    let at = 4;
    const take = (length: number): Buffer => {
      assert.ok(at + length <= bytes.length, 'the packet is too short');
      at += length;
      return bytes.subarray(at - length, at);
    };
    assert.equal(take(1)[0], 0x17);
    const id = take(4).readUInt32LE();
    const flags = take(1).readUInt8();
    assert.equal(take(4).readUInt32LE(), 1);
    if (parameters === 0)
      return { id, flags, nulls: take(0), bound: 0, types: null, values: bytes.subarray(at) };
    const nulls = Buffer.from(take(Math.ceil(parameters / 8)));
    const bound = take(1).readUInt8();
    if (bound !== 0) this.#types = Buffer.from(take(2 * parameters));
    return { id, flags, nulls, bound, types: this.#types, values: bytes.subarray(at) };
  }
}

/** The packet that is sent; null where the rules forbid it. `head`: how much of it is at hand. */
function rewritten(
  bytes: Buffer,
  client: ClientStatement,
  server: ServerStatement,
  head: number,
): { rewrite: ExecuteRewrite; sent: Buffer | null } {
  const before = 5;
  const buf = Buffer.concat([Buffer.alloc(before, 0xff), bytes]);
  const end = Math.min(before + head, buf.length);
  const rewrite = rewriteExecute(buf, before, end, client, server);
  switch (rewrite) {
    case ExecuteRewrite.InPlace:
      return { rewrite, sent: buf.subarray(before) };
    case ExecuteRewrite.NeedsTypes: {
      const newHead = withTypes(buf, before, end, bytes.length - 4, client, server);
      return { rewrite, sent: Buffer.concat([newHead, buf.subarray(end)]) };
    }
    default:
      return { rewrite, sent: null };
  }
}

const parameterCount = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constantFrom(255, 256, 1_000));
const execution = fc.record({
  client: fc.nat(2),
  session: fc.nat(1),
  flags: fc.nat(255),
  typeSeed: fc.nat(2),
  sendsTypes: fc.boolean(),
  bound: fc.constantFrom(1, 1, 1, 2, 255),
  nullSeed: fc.nat(255),
  values: fc.uint8Array({ maxLength: 60 }),
  wholeAtHand: fc.boolean(),
});

t.test(
  'whoever executes on whichever session: the server reads the values by the types of that client',
  async () => {
    fc.assert(
      fc.property(parameterCount, fc.array(execution, { maxLength: 20 }), (parameters, executions) => {
        const clients = [0, 1, 2].map(() => clientStatement(parameters));
        const types: (Buffer | null)[] = [null, null, null];
        const sessions = [70, 80].map((id) => ({
          server: new Server(),
          statement: { id, key: 'k', boundTypes: null } as ServerStatement,
        }));
        for (const one of executions) {
          const client = clients[one.client] as ClientStatement;
          const { server, statement } = sessions[one.session] as (typeof sessions)[0];
          const sent =
            one.sendsTypes && parameters > 0 ? Buffer.alloc(2 * parameters, `${one.typeSeed}ab`) : null;
          if (sent !== null) types[one.client] = sent;
          const given = {
            id: client.id,
            flags: one.flags,
            nulls: Buffer.alloc(Math.ceil(parameters / 8), one.nullSeed),
            bound: one.bound,
            types: sent,
            values: parameters === 0 ? Buffer.alloc(0) : one.values,
          };
          const bytes = executePacket(given, parameters);
          const head = one.wholeAtHand ? bytes.length : 15 + Math.ceil(parameters / 8) + 2 * parameters;
          const result = rewritten(bytes, client, statement, head);
          const wanted = types[one.client] ?? null;
          if (parameters > 0 && wanted === null) {
            assert.equal(result.rewrite, ExecuteRewrite.NoTypes);
            continue;
          }
          assert.ok(result.sent !== null, `rewrite ${result.rewrite}`);
          const read = server.execute(result.sent, parameters);
          assert.equal(read.id, statement.id);
          assert.equal(read.flags, given.flags);
          assert.deepEqual(Buffer.from(read.nulls), given.nulls);
          assert.deepEqual(Buffer.from(read.values), Buffer.from(given.values));
          assert.deepEqual(read.types, wanted);
        }
      }),
      { numRuns: 300 },
    );
  },
);

const TYPES = Buffer.of(3, 0, 0xfd, 0);
const WITH_TYPES: Execute = {
  id: 3,
  flags: 0,
  nulls: Buffer.of(0),
  bound: 1,
  types: TYPES,
  values: Buffer.from('abc'),
};
const WITHOUT: Execute = { ...WITH_TYPES, types: null };

t.test('types are put in only where the session has not bound them', async (t) => {
  const client = clientStatement(2);
  const first: ServerStatement = { id: 9, key: 'k', boundTypes: null };
  const kinds = [WITH_TYPES, WITHOUT, WITHOUT].map(
    (given) => rewritten(executePacket(given, 2), client, first, 99).rewrite,
  );
  t.strictSame(kinds, [ExecuteRewrite.InPlace, ExecuteRewrite.InPlace, ExecuteRewrite.InPlace]);
  const second: ServerStatement = { id: 10, key: 'k', boundTypes: null };
  const { rewrite, sent } = rewritten(executePacket(WITHOUT, 2), client, second, 99);
  t.equal(rewrite, ExecuteRewrite.NeedsTypes);
  t.strictSame(sent, executePacket({ ...WITH_TYPES, id: 10 }, 2));
  t.equal(rewritten(executePacket(WITHOUT, 2), client, second, 99).rewrite, ExecuteRewrite.InPlace);
});

t.test('a client that never sent types must not get those of another', async (t) => {
  const server: ServerStatement = { id: 9, key: 'k', boundTypes: null };
  rewritten(executePacket(WITH_TYPES, 2), clientStatement(2), server, 99);
  t.equal(
    rewritten(executePacket(WITHOUT, 2), clientStatement(2), server, 99).rewrite,
    ExecuteRewrite.NoTypes,
  );
});

t.test('the types that are kept are a copy', async (t) => {
  const client = clientStatement(2);
  const bytes = executePacket(WITH_TYPES, 2);
  rewriteExecute(bytes, 0, bytes.length, client, { id: 9, key: 'k', boundTypes: null });
  bytes.fill(0xee);
  t.strictSame(client.types, TYPES);
});

t.test(
  'an execute that is cut anywhere before its values is malformed, and nothing behind its end is looked at',
  async (t) => {
    const bytes = Buffer.concat([executePacket(WITH_TYPES, 2), Buffer.alloc(20, 1)]);
    const values = 4 + 10 + 1 + 1 + 4;
    for (let end = 5; end <= values; end++) {
      const client = clientStatement(2);
      const rewrite = rewriteExecute(bytes, 0, end, client, { id: 9, key: 'k', boundTypes: null });
      t.equal(rewrite, end < values ? ExecuteRewrite.Malformed : ExecuteRewrite.InPlace, `${end} bytes`);
      if (end < values) t.equal(client.types, null);
    }
  },
);

t.test('what determines the meaning of a statement is part of its key', async (t) => {
  const sql = Buffer.from('SELECT "a"');
  const profiles = [
    PROFILE,
    PROFILE.withSchema('other'),
    PROFILE.withSchema(null),
    PROFILE.withSchema('null'),
    PROFILE.withVariable('sql_mode', 'ANSI_QUOTES'),
    PROFILE.withVariable('character_set_client', 'latin1'),
    PROFILE.withVariable('collation_connection', 'utf8mb4_bin'),
  ];
  t.equal(new Set(profiles.map((profile) => statementKey(sql, profile))).size, profiles.length);
  t.equal(statementKey(sql, PROFILE.withVariable('time_zone', '+01:00')), statementKey(sql, PROFILE));
  t.not(
    statementKey(Buffer.from([0xc3]), PROFILE),
    statementKey(Buffer.from([0xe3]), PROFILE),
    'bytes, not characters',
  );
  t.not(
    statementKey(Buffer.from('\nx'), PROFILE),
    statementKey(Buffer.from('x'), PROFILE.withSchema('app\n')),
  );
});

t.test('the statement on the session is found by key', async (t) => {
  const statements = new StatementCache(5);
  const session = { statements } as unknown as ServerSession;
  const client = clientStatement(2);
  const server: ServerStatement = { id: 77, key: client.key, boundTypes: null };
  t.throws(() => serverStatement(session, client), RangeError);
  statements.add(server);
  t.equal(serverStatement(session, client), server);
});

/** A session that has prepared a client's statement, and what executes on it. */
class Session {
  readonly statements = new StatementCache(5);
  #id = 0;

  prepare(client: ClientStatement): ServerStatement {
    const made: ServerStatement = { id: ++this.#id, key: client.key, boundTypes: null };
    this.statements.add(made);
    return made;
  }

  /** The id of the statement on which the server executes; null when one must be prepared for it. */
  execute(client: ClientStatement, ...types: readonly (number | null)[]): number | null {
    const nulls = types.reduce<number>((bits, type, i) => bits | (type === null ? 1 << i : 0), 0);
    const block = Buffer.from(types.flatMap((type) => [type ?? 3, 0]));
    const bytes = executePacket(
      { id: 1, flags: 0, nulls: Buffer.of(nulls), bound: 1, types: block, values: Buffer.alloc(0) },
      types.length,
    );
    client.resolveFor(bytes, 0, bytes.length);
    const session = this as unknown as ServerSession;
    if (!client.isOn(session)) return null;
    const found = serverStatement(session, client);
    rewriteExecute(bytes, 0, bytes.length, client, found);
    return found.id;
  }
}

const [LONG, STRING, DOUBLE] = [3, 253, 5];

t.test('a statement is shared by clients whose executes had like types', async (t) => {
  const session = new Session();
  const [a, b, c] = [clientStatement(1), clientStatement(1), clientStatement(1)];
  session.prepare(a);
  t.equal(session.execute(a, LONG), 1, "one that nobody has executed is anybody's");
  t.equal(session.execute(b, LONG), 1);
  t.equal(session.execute(c, STRING), null);
  session.prepare(c);
  t.equal(session.execute(c, STRING), 2);
  t.equal(session.execute(a, STRING), 1, 'it goes on as it began');
  t.equal(session.execute(a, null), 1);
  t.equal(session.execute(a, DOUBLE), 1, 'the server resolves it anew');
  t.equal(session.execute(b, LONG), null, 'now it is another one');
  t.equal(session.execute(c, DOUBLE), 1, 'and so does that of a client with texts');
});

t.test('NULL says nothing of a type', async (t) => {
  const session = new Session();
  const [a, b] = [clientStatement(1), clientStatement(1)];
  session.prepare(a);
  t.equal(session.execute(a, null), 1);
  t.equal(session.execute(b, STRING), 1);
  t.equal(session.execute(a, LONG), 1);
  t.equal(session.execute(b, STRING), null);
  t.equal(session.execute(a, null), 1);
  t.equal(session.execute(a, STRING), 1);
});

t.test('on a session that has none the types count from the execute at hand', async (t) => {
  const [first, second] = [new Session(), new Session()];
  const a = clientStatement(1);
  first.prepare(a);
  t.equal(first.execute(a, LONG), 1);
  t.equal(second.execute(a, STRING), null);
  a.beginAnew();
  second.prepare(a);
  t.equal(second.execute(a, STRING), 1);
  t.equal(first.execute(a, STRING), null, 'that one would say LONG');
});
