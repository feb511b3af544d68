import type { InternalReply } from '../backend/internal-commands.js';
import type { ServerAccount } from '../backend/upstream.js';

/** What can ask the server as one of its users. */
export interface Asker {
  /** Who is asked for; null where this process has no connection of that user's to ask by. */
  accountOf(user: string): ServerAccount | null;
  ask(statement: string, account: ServerAccount): Promise<InternalReply['rows']>;
}

/**
 * Which of these sessions the server is rid of. A user sees his own without any privilege, and so what is not shown to himself is
 * gone. @returns none where that cannot be known
 */
export async function goneSessions(
  asker: Asker,
  user: string,
  ids: readonly string[],
): Promise<readonly string[]> {
  const account = asker.accountOf(user);
  const known = ids.filter((id) => /^\d{1,20}$/.test(id));
  if (account === null || known.length === 0) return [];
  const statement = `SELECT ID FROM information_schema.PROCESSLIST WHERE ID IN (${known.join(',')})`;
  const rows = await asker.ask(statement, account);
  const there = new Set(rows.map(([id]) => String(id)));
  return known.filter((id) => !there.has(id));
}
