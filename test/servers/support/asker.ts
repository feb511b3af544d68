import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Test } from 'tap';
import type { ProbeAnswer, ProbedServer, ServerQuestions } from '../../../src/servers/server-probe.js';
import { probeServer } from '../../../src/servers/server-probe.js';
import type { ServerReport } from '../../../src/servers/server-report.js';
import { Outcome, outcomeOf, ServerHint } from '../../../src/servers/statement-outcome.js';
import type { ClusterNode } from '../../support/clusters/cluster-node.js';

/** An error as a server's reply has it. */
export interface Refusal {
  readonly errno: number;
  readonly message: string;
}

/** What a server says to a statement: its error, or null. @throws what is no reply */
export async function refusalOf(connection: Connection, sql: string): Promise<Refusal | null> {
  try {
    await connection.query(sql);
    return null;
  } catch (error) {
    if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') throw error;
    return { errno: error.errno, message: error.message };
  }
}

/** A server that is read-only refuses each of these, so that it has had no effect, and is known by that. */
export async function refusesWrites(
  t: Test,
  client: Connection,
  statements: readonly string[],
): Promise<void> {
  for (const sql of statements) {
    const refusal = await refusalOf(client, sql);
    t.equal(refusal?.errno, 1290, sql);
    t.strictSame(refusal && outcomeOf(refusal, false), {
      outcome: Outcome.Refused,
      hint: ServerHint.ReadOnly,
    });
  }
}

function textOf(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

class Asker implements ServerQuestions {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async ask(statements: readonly string[]): Promise<readonly ProbeAnswer[]> {
    const answers: ProbeAnswer[] = [];
    for (const sql of statements) answers.push(await this.#one(sql));
    return answers;
  }

  async #one(sql: string): Promise<ProbeAnswer> {
    try {
      const [rows] = await this.#connection.query<RowDataPacket[]>(sql);
      return {
        rows: rows.map((row) =>
          Object.fromEntries(Object.entries(row).map(([name, value]) => [name, textOf(value)])),
        ),
        errno: null,
      };
    } catch (error) {
      if (!(error instanceof Error) || !('errno' in error) || typeof error.errno !== 'number') throw error;
      return { rows: [], errno: error.errno };
    }
  }
}

/** A connection that ends with the server it is to, without anybody being told. */
export async function quietConnection(uri: string): Promise<Connection> {
  const connection = await createConnection({ uri, connectTimeout: 3000 });
  connection.on('error', () => undefined);
  return connection;
}

/** Asks a node what it is, as the account of a URL (the administrator unless given). */
export async function reportOf(node: ClusterNode, uri: string = node.rootUrl): Promise<ServerReport> {
  const connection = await quietConnection(uri);
  const server: ProbedServer = { flavor: node.flavor, versionText: node.version };
  try {
    return await probeServer(server, new Asker(connection));
  } finally {
    connection.destroy();
  }
}
