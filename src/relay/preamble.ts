import type { LexerContext } from '../sql/lexer-context.js';
import { StatementKind, type StatementTraits } from '../sql/traits.js';
import type { LearnedAnswer } from './learned-answers.js';
import { Lesson, mayBeLearned } from './lesson.js';
import type { RelayServices } from './relay-services.js';
import type { VirtualSession } from './virtual-session.js';

/** A client that may be sending what drivers and frameworks send when they connect. */
export interface PreambleClient {
  readonly services: RelayServices;
  readonly virtual: VirtualSession;
  /** Answers the command with a reply that is known. */
  answer(known: LearnedAnswer): void;
}

/** The only kinds of statement of which anything is learned: nothing else pays for it. */
export function mayBePreamble({ first }: StatementTraits): boolean {
  return first === StatementKind.Set || first === StatementKind.SetTransaction;
}

/** Answers the text `buf[start]` up to, not including, `buf[end]`, if its answer is known. @returns whether it is */
export function answerPreamble(client: PreambleClient, buf: Buffer, start: number, end: number): boolean {
  const ground = client.virtual.answerGround;
  if (ground === null) return false;
  const known = client.services.learned.find(ground, buf, start, end);
  if (known === null) return false;
  client.answer(known);
  return true;
}

/** What learns from the server's answer to a text that was not known; null where nothing is to be learned. */
export function lessonOf(
  { services, virtual }: PreambleClient,
  traits: StatementTraits,
  buf: Buffer,
  start: number,
  end: number,
  context: LexerContext,
): Lesson | null {
  const { learned, upstream } = services;
  const ground = virtual.answerGround;
  if (ground === null || upstream.facts === null) return null;
  if (!learned.deservesLesson(ground, buf, start, end)) return null;
  // The lesson would spoil what the client may still ask of its last SELECT.
  const { foundRows, foundRowsOn } = virtual.state.left.diagnostics;
  if (foundRows === null && foundRowsOn !== null) return null;
  if (!mayBeLearned(traits, buf, start, end, context)) return null;
  return new Lesson(learned, ground, Buffer.from(buf.subarray(start, end)), upstream.facts);
}
