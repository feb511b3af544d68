import { Command } from '../../../src/protocol/constants.js';
import { commandPayload, loginOf, RawClient } from '../../support/raw-client.js';
import { LOCKED_ROW } from './abandoning.js';

/*
 * A process of many clients, each in the midst of a statement, to be killed: `many-clients.js URL COUNT`. Says "ready" on
 * stdout when all statements have been sent.
 */

/** Logins under way at a time. */
const AT_ONCE = 50;

/**
 * All of them for ever, or until somebody lets go of row {@link LOCKED_ROW}. No SLEEP(): MariaDB takes 2 s for a KILL of a
 * thread that looks at the clock just then, which it does every 5 s.
 */
const STATEMENTS: readonly ((i: number) => string)[] = [
  () => `UPDATE /* many */ many SET v = v + 1 WHERE id = ${LOCKED_ROW}`,
  (i) =>
    `BEGIN; UPDATE /* many */ many SET v = v + 1 WHERE id = ${i}; SELECT /* many */ v FROM many WHERE id = ${LOCKED_ROW} FOR UPDATE`,
  () => `SELECT /* many */ COUNT(*) FROM many a, many b, many c WHERE a.v + b.v + c.v < 0`,
  () => 'SELECT /* many */ a.*, b.*, c.* FROM many a, many b, many c',
];

const [, , url = '', count = '0'] = process.argv;
const numbers = Array.from({ length: Number(count) }, (_, i) => i).values();

async function logInSome(): Promise<void> {
  for (const i of numbers) {
    const client = await RawClient.login(loginOf(url));
    const sql = (STATEMENTS[i % STATEMENTS.length] ?? String)(i);
    client.send(commandPayload(Command.Query, sql));
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, logInSome));
process.stdout.write('ready\n');
// Until it is killed.
setInterval(() => {}, 60_000);
