import { lexerContextOf } from '../session/lexer-context.js';
import type { SessionProfile } from '../session/profile.js';
import type { StatementEffects } from '../session/statement-effects.js';
import type { LexerContext } from '../sql/lexer-context.js';
import { StatementKind, type StatementTraits } from '../sql/traits.js';
import type { ClientStatement } from './client-statement.js';
import type { CommandTarget } from './command-target.js';
import type { RelayServices } from './relay-services.js';

export function classify(client: CommandTarget, buf: Buffer, start: number, end: number): StatementTraits {
  return client.services.classifier.classify(buf, start, end, lexerContext(client));
}

export function lexerContext({ services, virtual }: CommandTarget): LexerContext {
  return contextOf(services, virtual.state.profile);
}

function contextOf({ upstream }: RelayServices, profile: SessionProfile): LexerContext {
  const { facts } = upstream;
  if (facts === null) throw new TypeError('a client is connected before the server is known');
  return lexerContextOf(profile, facts.info);
}

/** A prepared statement's traits with what is known of routines and views now. */
export function traitsOf({ services }: CommandTarget, found: ClientStatement): StatementTraits {
  const { classifier, routines } = services;
  if (found.readAt !== routines.generation) {
    const { sql, profile } = found;
    found.traits = classifier.classify(sql, 0, sql.length, contextOf(services, profile));
    found.readAt = routines.generation;
  }
  return found.traits;
}

/** Of the work that a client has under way and that has not been sent: by what is known of routines and views now. */
export function classifyAgain(client: CommandTarget): void {
  const { work } = client;
  work.routinesAt = client.services.routines.version;
  if (work.traits === null) return;
  const { ownStatement, sql } = work;
  if (ownStatement !== null) work.traits = traitsOf(client, ownStatement);
  else if (sql !== null) work.traits = classify(client, sql, 0, sql.length);
  work.effects = effectsOf(client, work.traits);
}

export function effectsOf(client: CommandTarget, traits: StatementTraits): StatementEffects {
  const executed = preparedBy(client, traits)?.traits ?? traits;
  return client.services.routines.effectsOf(executed, client.account);
}

/** What an EXECUTE runs. */
export interface Executed {
  readonly traits: StatementTraits;
  /** The client's when it was prepared; null where the EXECUTE itself prepares it. */
  readonly profile: SessionProfile | null;
}

/** EXECUTE of a text that is known does what that text does; null for any other statement. */
export function preparedBy(client: CommandTarget, traits: StatementTraits): Executed | null {
  if (traits.first !== StatementKind.Execute || traits.statements !== 1) return null;
  // Its parameters may be expressions (MariaDB).
  if (traits.routines.length > 0) return null;
  const [change] = traits.changes;
  let executed: Executed | null = null;
  if (change?.kind === 'execute' && change.name !== null) {
    executed = client.virtual.state.preparedText(change.name);
  } else if (change?.kind === 'execute_immediate' && change.text !== null) {
    const bytes = Buffer.from(change.text, 'latin1');
    executed = { traits: classify(client, bytes, 0, bytes.length), profile: null };
  }
  if (executed === null) return null;
  const { statements, first } = executed.traits;
  return statements === 1 && first !== StatementKind.Execute ? executed : null;
}

/** Keeps a command waiting while the routines and views that it may use are being read. */
export function waitsForRoutines(
  client: CommandTarget,
  traits: StatementTraits,
  buf: Buffer,
  start: number,
  end: number,
): boolean {
  const { routines } = client.services;
  if (!routines.pending && traits.routines.length === 0) return false;
  if (!routines.mustWaitFor(traits)) return false;
  client.suspend();
  routines.whenKnown(() => client.resume(buf, start, end));
  return true;
}

export function isMariadb({ services }: CommandTarget): boolean {
  return services.upstream.facts?.info.flavor === 'mariadb';
}
