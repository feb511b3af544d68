import type { PrivateTestServer } from '../../support/servers.js';
import { type Response, send } from '../support/send.js';

export const ITEMS = 8;
export const STOCK = 10_000;
const SCHEMA = 'shop';

/** What the shops of all recipes answer; `of` is what was looked up while the app was loaded. */
export interface Answer {
  readonly pid: number;
  readonly id?: number;
  readonly name?: string;
  readonly of?: number;
}

/** Without a status there was no answer at all, and the text says why. */
export type Reply = Response | { readonly status: null; readonly body: string };

/** The tables that the recipes' apps work on, in the schema that their connection strings name. */
export async function openShop(server: PrivateTestServer): Promise<void> {
  await server.query(`CREATE DATABASE ${SCHEMA} CHARACTER SET utf8mb4`);
  await server.query(`GRANT ALL PRIVILEGES ON ${SCHEMA}.* TO app@'%'`);
  await server.query(`CREATE TABLE ${SCHEMA}.items (
    id INT PRIMARY KEY, name VARCHAR(40) NOT NULL, stock INT NOT NULL)`);
  await server.query(`CREATE TABLE ${SCHEMA}.orders (id INT AUTO_INCREMENT PRIMARY KEY, item INT NOT NULL)`);
}

/** Full shelves, and no order yet. */
export async function restock(server: PrivateTestServer): Promise<void> {
  await server.query(`TRUNCATE ${SCHEMA}.items`);
  await server.query(`TRUNCATE ${SCHEMA}.orders`);
  for (let id = 1; id <= ITEMS; id++)
    await server.query(`INSERT INTO ${SCHEMA}.items VALUES (?, ?, ?)`, [id, nameOf(id), STOCK]);
}

export function nameOf(id: number): string {
  return `item ${id} – ${'äöü'.repeat(id)}`;
}

/** How many items are gone from the shelves, and how many were ordered. */
export async function sold(server: PrivateTestServer): Promise<{ taken: number; ordered: number }> {
  const [row] = await server.query<{ taken: string; ordered: string }>(`SELECT
    (SELECT SUM(${STOCK} - stock) FROM ${SCHEMA}.items) AS taken, (SELECT COUNT(*) FROM ${SCHEMA}.orders) AS ordered`);
  return { taken: Number(row?.taken), ordered: Number(row?.ordered) };
}

/** What a shop answers, if it does. */
export function ask(method: 'GET' | 'POST', url: string): Promise<Reply> {
  return send(method, url).catch((error: Error) => ({ status: null, body: error.message }));
}
