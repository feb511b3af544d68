import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { Plan } from './model.js';
import { otherSchemaOf, Side, schemaOf, sharedSchemaOf, spell, tagOf } from './names.js';
import { objectsOf, objectsOfOther, objectsOfShared } from './objects.js';
import type { OracleServer } from './server.js';

let runs = 0;
const DIGITS = 36;

/** Of one length, so that results have the same widths on both sides. */
function nextRun(): string {
  runs += 1;
  const time = Math.floor(Date.now() / 1000) % DIGITS ** 4;
  const number = runs % DIGITS ** 3;
  return `${time.toString(DIGITS).padStart(4, '0')}${(process.pid % DIGITS ** 2).toString(DIGITS).padStart(2, '0')}${number.toString(DIGITS).padStart(3, '0')}`;
}

/** The objects of one run of a plan: for each client two sets of the same content, one for either side. */
export class World {
  readonly #server: OracleServer;
  readonly #tags: ReadonlyMap<number, Readonly<Record<Side, string>>>;

  private constructor(server: OracleServer, tags: ReadonlyMap<number, Readonly<Record<Side, string>>>) {
    this.#server = server;
    this.#tags = tags;
  }

  static async create(server: OracleServer, plan: Plan): Promise<World> {
    const run = nextRun();
    const clients = [...new Set(plan.steps.map(({ client }) => client))];
    const tags = new Map(
      clients.map((client) => [
        client,
        { d: tagOf(run, client, Side.Direct), p: tagOf(run, client, Side.Proxied) },
      ]),
    );
    const world = new World(server, tags);
    try {
      await world.#share();
      await Promise.all(
        clients.map(async (client) => {
          const needed = neededObjects(plan, client);
          await world.#fill(world.tag(client, Side.Direct), needed);
          await world.#fill(world.tag(client, Side.Proxied), needed);
        }),
      );
      return world;
    } catch (error) {
      await world.drop();
      throw error;
    }
  }

  tag(client: number, side: Side): string {
    const tags = this.#tags.get(client);
    if (tags === undefined) throw new RangeError(`client ${client} is not in this run`);
    return tags[side];
  }

  async #share(): Promise<void> {
    for (const { d } of this.#tags.values()) {
      const { root } = this.#server;
      const schema = sharedSchemaOf(d);
      await root.query(`CREATE DATABASE ${schema} CHARACTER SET utf8mb4`);
      for (const sql of objectsOfShared(schema)) await root.query(sql);
      return;
    }
  }

  async #fill(tag: string, objects: readonly string[]): Promise<void> {
    const { host, port, user, password, role } = this.#server;
    const connection = await createConnection({ host, port, user, password, charset: 'utf8mb4_general_ci' });
    try {
      await connection.query(`CREATE DATABASE ${schemaOf(tag)} CHARACTER SET utf8mb4`);
      await connection.query(`CREATE DATABASE ${otherSchemaOf(tag)} CHARACTER SET utf8mb4`);
      await connection.query(`USE ${schemaOf(tag)}`);
      for (const sql of objects) await connection.query(spell(sql, { tag, role }, 0));
      await connection.query(`USE ${otherSchemaOf(tag)}`);
      for (const sql of objectsOfOther()) await connection.query(sql);
    } finally {
      await connection.end();
    }
  }

  /** Removes everything, prepared XA transactions (whose locks outlive their session) first. */
  async drop(): Promise<void> {
    const { root } = this.#server;
    const tags = [...this.#tags.values()].flatMap((sides) => Object.values(sides));
    await root.query('SET lock_wait_timeout = 10');
    const [prepared] = await root.query<RowDataPacket[]>('XA RECOVER');
    for (const { data } of prepared) {
      if (tags.some((tag) => String(data).includes(tag))) {
        await root.query(`XA ROLLBACK '${String(data)}'`).catch(() => undefined);
      }
    }
    const names = tags.flatMap((tag) => {
      const other = otherSchemaOf(tag);
      return [schemaOf(tag), other, `${other}y`, `${other}z`, sharedSchemaOf(tag)];
    });
    for (const name of new Set(names)) await root.query(`DROP DATABASE IF EXISTS ${name}`);
  }
}

/** What a client's statements name, and what that names: most runs that look for a cause need very little. */
function neededObjects(plan: Plan, client: number): string[] {
  let corpus = plan.steps
    .filter((step) => step.client === client)
    .map(({ operation }) => ('sql' in operation ? operation.sql : ''))
    .join('\n');
  const all = objectsOf(plan.flavor);
  const needed = new Set<string>();
  for (let before = -1; before !== needed.size; ) {
    before = needed.size;
    for (const sql of all) {
      if (needed.has(sql) || !corpus.includes(objectOf(sql))) continue;
      needed.add(sql);
      corpus += sql;
    }
  }
  return all.filter((sql) => needed.has(sql));
}

/** Its name; a trigger's table's. */
function objectOf(sql: string): string {
  const match = /^(?:CREATE TRIGGER .*? ON|CREATE \w+|INSERT INTO) [`]?(\w+)/.exec(sql);
  if (match?.[1] === undefined) throw new RangeError(`what does this make? ${sql}`);
  return match[1];
}
