import { ANY_STATEMENT, type InternalCommand, queryCommand, runInternal } from './internal-commands.js';
import type { ServerSession, SessionLostError } from './server-session.js';

/** Aurora's readers have the second one alone. A server that does not know one of them refuses it, and counts as without it. */
const SWITCHES: readonly InternalCommand[] = [
  queryCommand('SELECT @@global.read_only LIMIT 1'),
  queryCommand('SELECT @@global.innodb_read_only LIMIT 1'),
];

const OFF: ReadonlySet<string> = new Set(['0', 'OFF']);

/**
 * Whether the server of a session takes statements that change something, as far as it says so itself: it is not read-only, and
 * (Galera) refuses no statement. One round trip. Rejects where the session is lost.
 */
export function takesWrites(session: ServerSession): Promise<boolean> {
  return new Promise((resolve, reject: (error: SessionLostError) => void) => {
    runInternal(session, [...SWITCHES, ANY_STATEMENT], (replies, lost) => {
      if (lost !== null) {
        reject(lost);
        return;
      }
      const [readOnly, innodb, any] = replies;
      const isOff = [readOnly, innodb].every((reply) =>
        OFF.has((reply?.rows[0]?.[0] ?? 'OFF').toUpperCase()),
      );
      resolve(isOff && any?.err === null);
    });
  });
}
