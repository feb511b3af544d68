import { Command } from '../../src/protocol/constants.js';
import { nativeResponse, sha2Response } from '../protocol/support/client-side.js';
import {
  CLASSIC,
  commandPayload,
  MODERN,
  RawClient,
  type RawLogin,
  type RawPacket,
  type Shape,
} from '../support/raw-client.js';
import { type ExecuteParameter, executePayload } from '../support/raw-values.js';
import { CONNECTION_LOST, type OracleClient } from './client.js';
import { ClientStyle, type Operation, type Parameter } from './model.js';
import { type Names, spell, unspell } from './names.js';
import { type Expectation, type Observation, observe } from './observe.js';
import { readResults } from './reply.js';

interface Prepared {
  readonly id: number;
  readonly parameters: number;
  columnTypes: readonly number[];
}

/** No server gives a statement this id. */
const NO_STATEMENT: Prepared = { id: 0x0fff_ffff, parameters: 0, columnTypes: [] };
const READ_ONLY_CURSOR = 1;
const COLLATION = 45;

/** A client of packets: it sees every byte of a reply. */
export class RawOracleClient implements OracleClient {
  readonly #client: RawClient;
  readonly #login: RawLogin;
  readonly #names: Names;
  readonly #statements = new Map<string, Prepared>();
  #dead = false;

  private constructor(client: RawClient, login: RawLogin, names: Names) {
    this.#client = client;
    this.#login = login;
    this.#names = names;
  }

  static async open(style: ClientStyle, login: RawLogin, names: Names): Promise<RawOracleClient> {
    const capabilities = style === ClientStyle.Modern ? MODERN : CLASSIC;
    const client = await RawClient.login({ ...login, capabilities, collation: COLLATION });
    return new RawOracleClient(client, login, names);
  }

  get id(): number {
    return this.#client.id;
  }

  get dead(): boolean {
    return this.#dead;
  }

  destroy(): void {
    this.#client.destroy();
  }

  async perform(operation: Operation, showsId: boolean): Promise<readonly string[]> {
    try {
      const { lines } = await this.#perform(operation, showsId);
      return lines.map((line) => unspell(line, this.#names.tag));
    } catch (error) {
      this.#dead = true;
      this.destroy();
      return [`${CONNECTION_LOST}: ${String(error)}`];
    }
  }

  async #perform(operation: Operation, showsId: boolean): Promise<Observation> {
    switch (operation.do) {
      case 'query':
        return this.#query(operation.sql, operation.infile, showsId);
      case 'init_db':
        return this.#command(Command.InitDb, this.#spell(operation.schema));
      case 'set_option':
        return this.#command(Command.SetOption, Buffer.of(operation.multiStatements ? 0 : 1, 0));
      case 'reset':
        this.#statements.clear();
        return this.#command(Command.ResetConnection);
      case 'ping':
        return this.#command(Command.Ping);
      case 'change_user':
        return this.#changeUser(this.#spell(operation.schema));
      case 'prepare':
        return this.#prepare(operation.name, this.#spell(operation.sql));
      case 'execute':
        return this.#execute(operation, showsId);
      case 'fetch':
        return this.#fetch(operation.name, operation.rows);
      case 'long_data': {
        const { id } = this.#statement(operation.name);
        const payload = Buffer.concat([u32(id), u16(operation.parameter), Buffer.from(operation.data)]);
        return this.#command(Command.StmtSendLongData, payload, 'none');
      }
      case 'statement_reset':
        return this.#command(Command.StmtReset, u32(this.#statement(operation.name).id));
      case 'close': {
        const { id } = this.#statement(operation.name);
        this.#statements.delete(operation.name);
        return this.#command(Command.StmtClose, u32(id), 'none');
      }
      case 'reconnect':
        throw new TypeError('a connection does not reconnect itself');
    }
  }

  async #query(text: string, infile: string | undefined, showsId: boolean): Promise<Observation> {
    const content = infile === undefined ? null : Buffer.from(infile);
    this.#client.send(commandPayload(Command.Query, this.#spell(text)));
    const reply = await readResults(this.#client, { infile: content, cursor: false });
    return observe(reply, this.#expect('results', { maskedId: showsId ? this.id : null, ownWarnings: true }));
  }

  async #command(command: Command, payload: Uint8Array | string = '', shape: Shape = 'packet') {
    const reply = await this.#client.command(command, payload, shape);
    return observe(reply, this.#expect(shape));
  }

  /** COM_CHANGE_USER: the answer to the login's scramble first, which both servers turn down in favour of a fresh one. */
  async #changeUser(schema: string): Promise<Observation> {
    const client = this.#client;
    this.#statements.clear();
    const { user, password } = this.#login;
    const { greeting } = client;
    if (greeting === null) throw new TypeError('the client is not logged in');
    const { plugin } = greeting;
    const answer = answerOf(plugin, password, greeting.scramble);
    client.send(
      Buffer.concat([
        Buffer.of(Command.ChangeUser),
        Buffer.from(`${user}\0`),
        Buffer.of(answer.length),
        answer,
        Buffer.from(`${schema}\0`),
        u16(COLLATION),
        Buffer.from(`${plugin}\0`),
      ]),
    );
    const reply = await this.#authentication(password);
    return observe([reply], this.#expect('packet'));
  }

  /** Goes on until the packet that ends it. */
  async #authentication(password: string): Promise<RawPacket> {
    for (;;) {
      const packet = await this.#client.expect();
      const { payload, sequenceId } = packet;
      if (payload[0] === 0x00 || payload[0] === 0xff) return packet;
      if (payload[0] === 0x01) {
        if (payload[1] !== 3) throw new Error('the fast way to authenticate is closed');
        continue;
      }
      const nameEnd = payload.indexOf(0, 1);
      const scramble = Buffer.from(payload.subarray(nameEnd + 1, nameEnd + 21));
      const plugin = payload.toString('latin1', 1, nameEnd);
      this.#client.send(answerOf(plugin, password, scramble), sequenceId + 1);
    }
  }

  async #prepare(name: string, text: string): Promise<Observation> {
    const reply = await this.#client.command(Command.StmtPrepare, text, 'prepare');
    const observation = observe(reply, this.#expect('prepare', { ownWarnings: true }));
    const { prepared, columnTypes } = observation;
    if (prepared !== null) this.#statements.set(name, { ...prepared, columnTypes });
    else this.#statements.delete(name);
    return observation;
  }

  async #execute(operation: Extract<Operation, { do: 'execute' }>, showsId: boolean): Promise<Observation> {
    const statement = this.#statement(operation.name);
    // As many as the statement has, whatever the plan made of it.
    const values = Array.from(
      { length: statement.parameters },
      (_, i) => operation.values[i % operation.values.length] ?? null,
    );
    const cursor = operation.cursor === true;
    const payload = executePayload(statement.id, values.map(encoded), {
      cursor: cursor ? READ_ONLY_CURSOR : 0,
      withTypes: operation.withoutTypes !== true,
    });
    this.#client.send(commandPayload(Command.StmtExecute, payload));
    const reply = await readResults(this.#client, { infile: null, cursor });
    const observation = observe(
      reply,
      this.#expect('results', {
        binary: true,
        maskedId: showsId ? this.id : null,
        ownWarnings: true,
        cursor,
      }),
    );
    if (observation.columnTypes.length > 0) statement.columnTypes = observation.columnTypes;
    return observation;
  }

  async #fetch(name: string, rows: number): Promise<Observation> {
    const { id, columnTypes } = this.#statement(name);
    const payload = Buffer.concat([u32(id), u32(rows)]);
    const reply = await this.#client.command(Command.StmtFetch, payload, 'rows');
    return observe(reply, this.#expect('rows', { binary: true, columnTypes }));
  }

  #statement(name: string): Prepared {
    return this.#statements.get(name) ?? { ...NO_STATEMENT };
  }

  #spell(text: string): string {
    return spell(text, this.#names, this.id);
  }

  #expect(shape: Shape, more: Partial<Expectation> = {}): Expectation {
    const { deprecateEof } = this.#client;
    return {
      shape,
      binary: false,
      deprecateEof,
      columnTypes: [],
      ownWarnings: false,
      maskedId: null,
      cursor: false,
      ...more,
    };
  }
}

function answerOf(plugin: string, password: string, scramble: Buffer): Buffer {
  return plugin === 'caching_sha2_password'
    ? sha2Response(password, scramble)
    : nativeResponse(password, scramble);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u16(value: number): Buffer {
  return Buffer.of(value & 0xff, value >> 8);
}

/** `enum_field_types` */
const Type = { Double: 5, Null: 6, LongLong: 8, Long: 3, Blob: 0xfc, VarString: 0xfd } as const;

function encoded(value: Parameter): ExecuteParameter {
  if (value === null) return { type: Type.Null, value: null };
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    return { type: Type.Long, value: bytes };
  }
  if (typeof value === 'bigint') {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return { type: Type.LongLong, value: bytes };
  }
  if (typeof value === 'string') return { type: Type.VarString, value: counted(value) };
  if ('blob' in value) return { type: Type.Blob, value: counted(value.blob) };
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value.double);
  return { type: Type.Double, value: bytes };
}

/** Shorter than 251 bytes. */
function counted(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}
