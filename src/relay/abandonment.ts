import type { ServerAccount } from '../backend/upstream.js';
import type { StatementEffects } from '../session/statement-effects.js';
import { Flag, StatementKind, type StatementTraits } from '../sql/traits.js';
import type { RelayServices } from './relay-services.js';
import type { VirtualSession } from './virtual-session.js';

/** What becomes of a statement that nobody waits for any more. */
export const Ending = {
  Kill: 'kill',
  /** It is left at work, and killed where it waits for a lock. */
  KillWaiting: 'kill_waiting',
  Finish: 'finish',
} as const;
export type Ending = (typeof Ending)[keyof typeof Ending];

/** A client that is no more. */
export interface AbandonedClient {
  readonly services: RelayServices;
  readonly account: ServerAccount;
  readonly virtual: VirtualSession;
  readonly work: { readonly effects: StatementEffects };
}

/**
 * Ends what runs for a client that has left. `gone`: the client did so itself, and `on_client_disconnect` has a say;
 * else the proxy ends it for cause. @returns whether it is one that may be ended
 */
export function endStatement({ services, account, virtual, work }: AbandonedClient, gone: boolean): boolean {
  const { session } = virtual;
  const { killer } = virtual.server;
  if (session === null || !session.busy) return false;
  if (!virtual.running) {
    // What the proxy asks before the statement, or behind it, may wait for a lock as well (a table's, to prepare on it).
    killer.end({ session, own: true }, account);
    return true;
  }
  const target = { session, own: false };
  if (gone && services.finishAbandoned) return false;
  switch (endingOf(work.effects)) {
    case Ending.Kill:
      killer.end(target, account);
      return true;
    case Ending.KillWaiting:
      killer.endWaiting(target, account);
      return true;
    case Ending.Finish:
      return false;
  }
}

/**
 * A COMMIT is never killed, nor is a text with one in it: it may be the only thing that its client wanted to be sure of.
 * What commits implicitly has done so before it begins, but DDL that is killed half-way is not always rolled back
 * (MariaDB: DROP of several tables, or of a schema), and what it waits for before that may take for ever and keep others from the table.
 */
export function endingOf({ traits, commits }: Pick<StatementEffects, 'traits' | 'commits'>): Ending {
  if (traits === null) return commits ? Ending.Finish : Ending.Kill;
  if (commits && !onlyBegins(traits)) return Ending.Finish;
  const parts = partsOf(traits);
  if (traits.statements === 1 && traits.first === StatementKind.Rollback) return Ending.Finish;
  return parts.some(({ first, flags }) => (flags & Flag.EndsTransaction) !== 0 && COMMITS.has(first))
    ? Ending.KillWaiting
    : Ending.Kill;
}

/** Kinds that commit before they begin. */
const COMMITS: ReadonlySet<StatementKind> = new Set([
  StatementKind.Ddl,
  StatementKind.Admin,
  StatementKind.LockTables,
  StatementKind.UnlockTables,
  StatementKind.Flush,
  StatementKind.BackupLock,
]);

/** A transaction is begun by the first of several statements, and none of the others commits. */
function onlyBegins(traits: StatementTraits): boolean {
  const [first, ...others] = traits.each;
  return (
    first?.first === StatementKind.Begin &&
    others.length > 0 &&
    others.every(({ flags }) => (flags & Flag.ContainsCommit) === 0)
  );
}

/** A text with more statements than are listed is taken as one. */
function partsOf(traits: StatementTraits): readonly StatementTraits[] {
  return traits.each.length > 0 ? traits.each : [traits];
}
