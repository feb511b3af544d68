import { type InternalReply, runInternal } from '../backend/internal-commands.js';
import { readVariables, type ServerFacts } from '../backend/server-facts.js';
import type { ServerSession } from '../backend/server-session.js';
import { Status } from '../protocol/constants.js';
import type { OkPacket } from '../protocol/generic-response.js';
import type { SessionProfile } from '../session/profile.js';
import {
  canonicalName,
  isTrackerVariable,
  RESULTS_COLLATION,
  treatmentOf,
  VariableTreatment,
} from '../session/variables.js';
import { isLearnable } from '../sql/learnable-set.js';
import type { LexerContext } from '../sql/lexer-context.js';
import { AssignmentScope, Flag, Hold, StatementKind, type StatementTraits } from '../sql/traits.js';
import type { Diagnostics } from './diagnostics.js';
import type { AnswerGround, LearnedAnswers } from './learned-answers.js';
import { readLeftovers } from './leftovers.js';

/** What a text that is learned may do beside setting variables. */
const HARMLESS_FLAGS = Flag.SetsCharset | Flag.EndsTransaction | Flag.ContainsCommit | Flag.Multi;

/** SET CHARACTER SET takes a collation from the default schema, which is not the session's own. */
const FOLLOWS_SCHEMA = /\b(?:charset|character)\b/i;

/** Whether a text may have a lesson: whatever it does then depends on the client's profile and nothing else. */
export function mayBeLearned(
  traits: StatementTraits,
  buf: Buffer,
  start: number,
  end: number,
  context: LexerContext,
): boolean {
  if (!onlySetsCarried(traits) || !isLearnable(buf, start, end, context)) return false;
  return (traits.flags & Flag.SetsCharset) === 0 || !FOLLOWS_SCHEMA.test(buf.toString('latin1', start, end));
}

/**
 * Whether a text does nothing but set variables of its session that a profile carries. What it sets them to is another question.
 */
function onlySetsCarried(traits: StatementTraits): boolean {
  const { statements, first, each, holds, flags, assignments, changes } = traits;
  if (statements > 1) return each.length > 0 && each.every(onlySetsCarried);
  if (first !== StatementKind.Set && first !== StatementKind.SetTransaction) return false;
  if ((holds & ~Hold.UnscopedSystemVariable) !== 0 || (flags & ~HARMLESS_FLAGS) !== 0) return false;
  return (
    changes.length === 0 &&
    assignments.every(
      ({ name, scope }) => name !== null && scope !== AssignmentScope.Global && isCarried(name),
    )
  );
}

function isCarried(name: string): boolean {
  return treatmentOf(name) === VariableTreatment.Carry && !isTrackerVariable(name);
}

/**
 * Watches the server answer one text, and has it learned when all of what the text does is known: the reply was nothing but
 * OKs, its warnings are at hand, and the session's variables, asked for once, are what the trackers said.
 */
export class Lesson {
  readonly #answers: LearnedAnswers;
  readonly #ground: AnswerGround;
  readonly #text: Buffer;
  readonly #facts: ServerFacts;
  readonly #packets: Buffer[] = [];
  #status = 0;
  /** No rows. */
  #isPlain = true;

  /** `text` is kept. */
  constructor(answers: LearnedAnswers, ground: AnswerGround, text: Buffer, facts: ServerFacts) {
    this.#answers = answers;
    this.#ground = ground;
    this.#text = text;
    this.#facts = facts;
  }

  /** An OK of the reply, `buf[start]` up to, not including, `buf[end]`, header included. */
  ok(buf: Buffer, start: number, end: number, ok: OkPacket, endsRows: boolean): void {
    this.#packets.push(Buffer.from(buf.subarray(start, end)));
    this.#status = ok.status;
    if (endsRows) this.#isPlain = false;
  }

  /**
   * The reply is complete, nothing holds the session, and it and its client have the profile `after`. Asks the server
   * whether that is so, and then calls back, unless the session is lost: its borrower hears of that. False when there is
   * nothing to ask, because another client's lesson has ended meanwhile or the reply was not as expected.
   */
  finish(
    session: ServerSession,
    left: Pick<Diagnostics, 'conditions'>,
    after: SessionProfile,
    done: () => void,
  ): boolean {
    const ended = (this.#status & (Status.MoreResultsExist | Status.InTransaction)) === 0;
    if (!this.#isPlain || !ended || this.#packets.length === 0) return false;
    if (this.#answers.find(this.#ground, this.#text, 0, this.#text.length) !== null) return false;
    readLeftovers(session);
    runInternal(session, [readVariables(session.info)], ([shown], lost) => {
      if (lost !== null) return;
      const { conditions } = left;
      if (conditions !== null && shown !== undefined && this.#agrees(shown, after)) {
        const answer = { profile: after, status: this.#status, packets: this.#packets, conditions };
        this.#answers.learn(this.#ground, this.#text, answer);
      } else {
        this.#answers.failed(this.#ground, this.#text);
      }
      done();
    });
    return true;
  }

  /** All variables are looked at, so that one which is changed by setting another does not escape. */
  #agrees(reply: InternalReply, after: SessionProfile): boolean {
    const { variables } = after.baseline;
    const shown = this.#facts.carriedOf(reply);
    for (const name of this.#facts.variableNames) {
      if (shown.get(name) !== after.variable(canonicalName(name, variables))) return false;
    }
    return shown.get(RESULTS_COLLATION) === after.variable(RESULTS_COLLATION);
  }
}
