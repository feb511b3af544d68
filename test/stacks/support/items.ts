import type { TestServer } from '../../support/servers.js';

/** Rows that each say whose they are: a reply to somebody else's question is seen. */
export const ITEMS = 1_000;

/** As in fork_race.py. */
export function titleOf(id: number): string {
  return `the title of ${id}`;
}

/** The table `item` in a schema of its own. @returns the URL of that */
export async function createItems(server: TestServer): Promise<string> {
  const schema = await server.createDatabase();
  await server.query(`CREATE TABLE ${schema}.item (id INT PRIMARY KEY, title VARCHAR(40) NOT NULL)`);
  const rows = Array.from({ length: ITEMS }, (_, i) => `(${i + 1}, '${titleOf(i + 1)}')`);
  await server.query(`INSERT INTO ${schema}.item VALUES ${rows}`);
  return server.url(schema);
}
