import { Command } from '../../../src/protocol/constants.js';
import type { RawClient, RawPacket, Shape } from '../../support/raw-client.js';
import { type ExecuteParameter, executePayload } from '../../support/raw-values.js';

/** One command of a script, and what is to be said of its reply. */
export interface Step {
  readonly name: string;
  /** Statement ids by the script's own names for them. */
  run(client: RawClient, statements: Map<string, number>): Promise<RawPacket[]>;
  /** Nobody else can have, or should use, the session between this step and the next one. */
  readonly keeps: boolean;
  /** Blanks what must differ. */
  mask(reply: readonly RawPacket[]): readonly RawPacket[];
}

export type Script = readonly Step[];

const AS_IS = (reply: readonly RawPacket[]): readonly RawPacket[] => reply;

export function step(name: string, run: Step['run'], more: Partial<Step> = {}): Step {
  return { name, run, keeps: false, mask: AS_IS, ...more };
}

export function q(sql: string | Buffer, infile: Buffer | null = null): Step {
  const name = sql.length > 100 ? `${sql.toString().slice(0, 100)}...` : sql.toString();
  return step(name, (client) => client.query(sql, infile));
}

/** The session is kept until the next step. */
export function keep(one: Step): Step {
  return { ...one, keeps: true };
}

export function command(
  name: string,
  byte: Command,
  payload: Uint8Array | string = '',
  shape: Shape = 'packet',
): Step {
  return step(name, (client) => client.command(byte, payload, shape));
}

/** COM_STMT_PREPARE; the statement's id differs. */
export function prepare(name: string, sql: string): Step {
  return step(
    `prepare ${sql}`,
    async (client, statements) => {
      const reply = await client.command(Command.StmtPrepare, sql, 'prepare');
      const head = reply[0]?.payload;
      if (head?.[0] === 0) statements.set(name, head.readUInt32LE(1));
      return reply;
    },
    {
      mask: ([head, ...rest]) => {
        if (head === undefined || head.payload[0] !== 0) return [...(head ? [head] : []), ...rest];
        const payload = Buffer.from(head.payload);
        payload.writeUInt32LE(0, 1);
        return [{ ...head, payload }, ...rest];
      },
    },
  );
}

export function idOf(statements: Map<string, number>, name: string): number {
  const id = statements.get(name);
  if (id === undefined) throw new Error(`the script prepares no ${name}`);
  return id;
}

export function execute(
  name: string,
  parameters: readonly ExecuteParameter[] = [],
  options: { cursor?: number; withTypes?: boolean } = {},
): Step {
  return step(`execute ${name}`, (client, statements) =>
    client.command(
      Command.StmtExecute,
      executePayload(idOf(statements, name), parameters, options),
      'results',
    ),
  );
}

/** A command that names a statement. */
export function about(
  name: string,
  byte: Command,
  rest: Uint8Array = Buffer.alloc(0),
  shape: Shape = 'packet',
): Step {
  return step(`command ${byte} of ${name}`, (client, statements) => {
    const id = Buffer.alloc(4);
    id.writeUInt32LE(idOf(statements, name));
    return client.command(byte, Buffer.concat([id, rest]), shape);
  });
}

export function fetch(name: string, rows: number): Step {
  return about(name, Command.StmtFetch, Buffer.of(rows, 0, 0, 0), 'rows');
}

export function longData(name: string, parameter: number, data: string): Step {
  return about(
    name,
    Command.StmtSendLongData,
    Buffer.concat([Buffer.of(parameter, 0), Buffer.from(data)]),
    'none',
  );
}

/** MySQL repeats the last statement's number of warnings in the OK of commands that have none of their own. */
export function withoutOldWarnings(reply: readonly RawPacket[]): RawPacket[] {
  return reply.map((packet) => {
    const payload = Buffer.from(packet.payload);
    // An EOF has them first, an OK last.
    if (payload[0] === 0xfe && payload.length === 5) payload.writeUInt16LE(0, 1);
    else if (payload[0] !== 0xff) payload.writeUInt16LE(0, 5);
    return { ...packet, payload };
  });
}

const METADATA_CHANGED = 0x4;

/** Says that the statement had to be prepared again: not where the proxy has done so. */
export function withoutMetadataChanged(reply: readonly RawPacket[]): RawPacket[] {
  return reply.map((packet) => {
    const { payload } = packet;
    if (payload[0] !== 0xfe) return packet;
    // EOF, or an OK with two zeros in one byte each.
    const masked = Buffer.from(payload);
    masked[4] = (payload[4] as number) & ~METADATA_CHANGED;
    return { ...packet, payload: masked };
  });
}

/** MySQL has the flags of OUT parameters in the EOF before the row only, MariaDB in both. */
export function withoutLastEofs(reply: readonly RawPacket[]): RawPacket[] {
  return reply.filter(({ payload }) => payload[0] !== 0xfe || payload.length !== 5);
}

/** A statement's id stands in the error's text. */
export function masked(one: Step): Step {
  return {
    ...one,
    mask: (reply) =>
      reply.map(({ sequenceId, payload }) => ({
        sequenceId,
        payload: Buffer.from(
          payload.toString('latin1').replace(/handler \(\d+\)|statement \(\d+\)/, '(id)'),
          'latin1',
        ),
      })),
  };
}

export function numbersBlanked({ sequenceId, payload }: RawPacket): RawPacket {
  return { sequenceId, payload: Buffer.from(payload.toString('latin1').replace(/[\d.]+/g, '#'), 'latin1') };
}
