import t, { type Test } from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { type Proxied, proxied } from '../support/proxied.js';
import { loginOf, RawClient, type RawLogin, type RawPacket } from '../support/raw-client.js';
import { type ExecuteParameter, executePayload, int, NULL, text } from '../support/raw-values.js';
import { forEachServer } from '../support/servers.js';

/** A client as it is directly and one through the proxy, where others use its session after each of its statements. */
class Twins {
  readonly #t: Test;
  readonly #direct: RawClient;
  readonly #proxied: RawClient;
  readonly #between: () => Promise<void>;
  readonly #ids = new Map<string, readonly [direct: number, proxied: number]>();

  constructor(t: Test, direct: RawClient, through: RawClient, between: () => Promise<void>) {
    this.#t = t;
    this.#direct = direct;
    this.#proxied = through;
    this.#between = between;
  }

  static async begin(
    t: Test,
    world: Proxied,
    between: () => Promise<void>,
    more: Partial<RawLogin> = {},
  ): Promise<Twins> {
    const direct = await RawClient.login(loginOf(world.server.url(world.schema), more));
    const through = await RawClient.login(loginOf(world.proxy.url, more));
    t.teardown(() => {
      direct.destroy();
      through.destroy();
    });
    return new Twins(t, direct, through, between);
  }

  async run(sql: string): Promise<void> {
    await this.#same(sql, (client) => client.query(sql));
  }

  async reset(): Promise<void> {
    await this.#same('reset', (client) => client.command(Command.ResetConnection, '', 'packet'));
  }

  async prepare(sql: string): Promise<void> {
    this.#ids.set(sql, [await this.#direct.prepare(sql), await this.#proxied.prepare(sql)]);
    await this.#between();
  }

  async execute(sql: string, ...parameters: ExecuteParameter[]): Promise<void> {
    const [direct, through] = this.#ids.get(sql) ?? [0, 0];
    const told = `${sql} with ${parameters.map(({ type }) => type)}`;
    await this.#same(told, (client) => {
      const id = client === this.#direct ? direct : through;
      return client.command(Command.StmtExecute, executePayload(id, parameters), 'results');
    });
  }

  /** The replies are the same byte by byte: column definitions, rows, warnings. */
  async #same(told: string, run: (client: RawClient) => Promise<RawPacket[]>): Promise<void> {
    const bytes = (reply: readonly RawPacket[]): string[] =>
      reply.map(({ payload }) => payload.toString('hex'));
    const expected = bytes(await run(this.#direct));
    this.#t.strictSame(bytes(await run(this.#proxied)), expected, told);
    await this.#between();
  }
}

const LOOKS = [
  "SELECT 'x'",
  'SELECT @@collation_connection, @@character_set_client, @@character_set_results',
];

const SETS = [
  'SET collation_connection=utf8mb4_bin',
  'SET character_set_connection=latin1',
  'SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci',
  'SET collation_connection=utf8mb4_roman_ci',
  'SET character_set_results=utf8mb4',
  "SET NAMES 'latin1' COLLATE 'latin1_bin'",
  'SET character_set_client=utf8mb4',
  'SET character_set_results=NULL',
  'SET @@character_set_results=latin1',
  'SET @@character_set_connection=latin2',
  'SET @@collation_connection=utf8mb4_bin',
  'SET NAMES utf8mb4 COLLATE utf8mb4_bin, collation_connection=latin1_german1_ci',
  'SET CHARACTER SET utf8mb4',
  'SET NAMES utf8mb4',
];

await forEachServer(t, async (t, server) => {
  await t.test('texts show the collation of results that the client has', async (t) => {
    const world = await proxied(t, server, ['--pool-size', '1']);
    const other = await RawClient.login(loginOf(world.proxy.url, { collation: 8 }));
    t.teardown(() => other.destroy());
    let n = 0;
    const between = async (): Promise<void> => {
      await other.must(SETS[n++ % SETS.length] ?? '');
      await other.must("SELECT 'y'");
    };
    for (const collation of [45, 46, 8]) {
      const twins = await Twins.begin(t, world, between, { collation });
      const look = async (): Promise<void> => {
        for (const sql of LOOKS) await twins.run(sql);
      };
      await look();
      for (const sql of SETS) {
        await twins.run(sql);
        await look();
      }
      await twins.reset();
      await look();
    }
  });

  await t.test('parameters have the types that the client gave them', async (t) => {
    const world = await proxied(t, server, ['--pool-size', '1']);
    const sql = 'SELECT ? AS x, ? AS y';
    const other = await RawClient.login(loginOf(world.proxy.url));
    t.teardown(() => other.destroy());
    const id = await other.prepare(sql);
    const others: readonly (readonly ExecuteParameter[])[] = [
      [text('b'), int(3)],
      [int(4), text('c')],
      [NULL, text('c')],
      [int(5), int(6)],
    ];
    let n = 0;
    const between = async (): Promise<void> => {
      await other.command(
        Command.StmtExecute,
        executePayload(id, others[n++ % others.length] ?? []),
        'results',
      );
    };
    const stories: readonly (readonly (readonly ExecuteParameter[])[])[] = [
      [
        [int(1), int(2)],
        [text('a'), int(2)],
        [int(1), text('a')],
        [NULL, NULL],
        [int(1), int(2)],
      ],
      [
        [text('a'), text('b')],
        [text('a'), NULL],
        [text('c'), text('d')],
      ],
      [
        [NULL, int(1)],
        [text('a'), int(1)],
        [text('a'), text('b')],
      ],
      [
        [text('a'), int(1)],
        [int(1), int(1)],
        [text('a'), text('a')],
      ],
    ];
    for (const story of stories) {
      const twins = await Twins.begin(t, world, between);
      await twins.prepare(sql);
      for (const parameters of story) await twins.execute(sql, ...parameters);
    }
  });
});
