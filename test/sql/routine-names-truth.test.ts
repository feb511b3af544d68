/** Asks the real servers which routine they look for, by the error that there is none. */
import { traitsOfBytes } from './describe.js';
import { truth } from './raw-text.js';

const TEXTS = [
  'SELECT f(1)',
  'SELECT `F` (1)',
  'SELECT s . `g` (1)',
  'SELECT `S`.H(1)',
  'SELECT s.upper(1)',
  'SELECT COUNT (1)',
  'SELECT `if`(1, 2)',
  'SELECT 1abc(1)',
  'SELECT `a``b`(1)',
  'SELECT 1 FROM (SELECT f(1)) d',
  'SET @a = f(1)',
  'DO f()',
  'CALL P',
  'CALL `s`.`P` ()',
  'CALL s . p(1, @a)',
  'CALL upper(1)',
  'CALL connection_id()',
];

truth('the name of a routine that is looked for', async (t, raw) => {
  const schema = await raw.value('SELECT DATABASE()');
  const server = raw.server.isMysql ? 'mysql' : 'mariadb';
  for (const sql of TEXTS) {
    const { errno, message } = await raw.ask(sql);
    t.ok(
      errno === 1305 || errno === 1630 || errno === 1046 || errno === 1370 || errno === 1049,
      `${server}: ${errno} ${sql}`,
    );
    const name = /(?:FUNCTION|PROCEDURE) (.+?) does not exist/.exec(message)?.[1]?.toLowerCase();
    const { routines, holds } = traitsOfBytes(sql, raw.context());
    t.equal(holds & ~(1 << 7) & ~(1 << 8), 0, sql);
    const [routine = ''] = routines;
    t.equal(routines.length, 1, sql);
    t.equal(routine.includes('.') ? routine : `${schema}.${routine}`, name, `${server}: ${sql}`);
  }
});
