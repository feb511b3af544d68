import { queryCommand, runInternal } from '../backend/internal-commands.js';
import { namedRows } from '../backend/named-rows.js';
import type { ServerSession } from '../backend/server-session.js';
import type { ProbeAnswer, ServerQuestions } from '../servers/server-probe.js';

/** Asks over a server session that nobody borrows: all statements in one write. */
export function serverQuestions(session: ServerSession): ServerQuestions {
  return {
    ask: (statements) =>
      new Promise<readonly ProbeAnswer[]>((resolve, reject) => {
        runInternal(session, statements.map(queryCommand), (replies, lost) => {
          if (lost !== null) {
            reject(lost);
            return;
          }
          resolve(
            replies.map((reply) =>
              reply.err === null
                ? { rows: namedRows(reply), errno: null }
                : { rows: [], errno: reply.err.errno },
            ),
          );
        });
      }),
  };
}
