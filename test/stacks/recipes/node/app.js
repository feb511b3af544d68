/** @import { Pool } from 'mysql2/promise' */

async function take(connection, id) {
  await connection.beginTransaction();
  await connection.execute('UPDATE items SET stock = stock - 1 WHERE id = ?', [id]);
  await connection.execute('INSERT INTO orders (item) VALUES (?)', [id]);
}

const actions = {
  async item(connection, id) {
    const sql = 'SELECT id, name, (SELECT COUNT(*) FROM items) AS `of` FROM items WHERE id = ?';
    const [[row]] = await connection.execute(sql, [id]);
    return row;
  },
  async buy(connection, id) {
    await take(connection, id);
    await connection.commit();
  },
  /** Whoever runs it is killed. */
  async slow(connection, id) {
    await take(connection, id);
    await connection.query(`SELECT SLEEP(60) /* worker ${process.pid} request 0 */`);
    await connection.commit();
  },
};

/**
 * A small shop.
 * @param {Pool} pool
 */
export function answer(pool) {
  return async (request, response) => {
    const [, action, id] = request.url.split('/');
    const connection = await pool.getConnection();
    try {
      const result = await actions[action](connection, Number(id));
      response.end(JSON.stringify({ ...result, pid: process.pid }));
    } catch (error) {
      response.statusCode = 500;
      response.end(String(error));
    } finally {
      connection.release();
    }
  };
}
