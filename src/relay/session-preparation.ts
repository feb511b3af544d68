import type { ServerSession } from '../backend/server-session.js';
import type { ServerAccount } from '../backend/upstream.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { InsertIdEffect } from '../session/statement-effects.js';
import type { StatementTraits } from '../sql/traits.js';
import { diagnosticsGone } from './client-errors.js';
import type { ClientState } from './client-state.js';
import { Conditions } from './conditions.js';
import { readLeftovers } from './leftovers.js';
import type { OwnReads } from './own-writes.js';
import { Asks, asksOf, elsewhere, knows, whereUnread } from './question.js';
import type { RelayServices } from './relay-services.js';
import type { Server } from './server.js';
import {
  ConditionsBefore,
  isReady,
  needsReset,
  type RestoreTarget,
  restoreSession,
} from './session-restore.js';
import type { Work } from './work.js';

const UNKNOWN = { kind: 'unknown' } as const;

/**
 * Who has a session made its own for a command. One of {@link prepared}, {@link answeredHere} and {@link notPrepared}
 * follows, at once or later, or the session is lost.
 */
export interface PreparationHost {
  /** That of the session. */
  readonly server: Server;
  /** The server is asked something first. */
  preparing(): void;
  /**
   * The server has answered. `goOn`, at once or as soon as no KILL can hit what comes next, if the session is still lent to
   * the client, and the client still there.
   */
  answered(session: ServerSession, goOn: () => void): void;
  /** The session is what the client takes for its own: the command may be sent. */
  prepared(session: ServerSession, work: Work): void;
  /** The command has its answer, and was not sent. */
  answeredHere(session: ServerSession): void;
  /** The command cannot be run. `stateUnknown`: the session is between two states and must be reset. */
  notPrepared(session: ServerSession, err: ErrPacket, stateUnknown: boolean): void;
  /** The session's server has not what the client has written, and was waited for. The session is as it was, or needs a reset. */
  behind(session: ServerSession, work: Work): void;
  /** The session would need a reset, and takes none: it is for nobody any more, and the command for another one. */
  unfit(session: ServerSession, work: Work): void;
  /** The session is of no use any more. */
  broken(session: ServerSession, why: string): void;
}

/**
 * Makes a session one client's before each of its commands: fetches what the command asks for and lies elsewhere, brings
 * the session into the client's state, and answers what no other session could.
 */
export class SessionPreparation {
  readonly #services: RelayServices;
  readonly #account: ServerAccount;
  readonly #state: ClientState;
  readonly #host: PreparationHost;
  /** Null for a client whose reads wait for nothing. */
  readonly #reads: OwnReads | null;

  constructor(
    services: RelayServices,
    account: ServerAccount,
    state: ClientState,
    reads: OwnReads | null,
    host: PreparationHost,
  ) {
    this.#services = services;
    this.#account = account;
    this.#state = state;
    this.#reads = reads;
    this.#host = host;
  }

  prepare(session: ServerSession, work: Work): void {
    if (this.#isReady(session, work)) this.#host.prepared(session, work);
    else this.#prepare(session, work);
  }

  /** Nothing has to be looked at, let alone done: so it is with nearly all commands, and it shall cost them nothing. */
  #isReady(session: ServerSession, { effects, traits, statement, choosesSchema }: Work): boolean {
    const { left, ledger } = this.#state;
    return (
      session.profile === ledger.profile &&
      !choosesSchema &&
      effects.insertId === InsertIdEffect.None &&
      !effects.usesTrackers &&
      left.diagnostics.conditions === Conditions.NONE &&
      (session.leftovers === null || session.leftovers === left) &&
      (traits === null || asksOf(traits) === Asks.Nothing) &&
      (statement === null || statement.isOn(session)) &&
      !this.#mustWait()
    );
  }

  /** What the client reads there may be older than what it has written. */
  #mustWait(): boolean {
    return this.#reads?.mustWait(this.#host.server.applied, this.#state.holds) === true;
  }

  #prepare(session: ServerSession, work: Work): void {
    const { insertId, diagnostics } = this.#state.left;
    if (work.effects.insertId !== InsertIdEffect.None) {
      const { unreadOn } = insertId;
      if (unreadOn !== null && unreadOn !== session) {
        this.#fetch(session, work, unreadOn);
        return;
      }
    }
    const { traits } = work;
    const asks = traits === null ? Asks.Nothing : asksOf(traits);
    const target = this.#restoreTarget(session, work, ConditionsBefore.Any);
    const untouched = this.#state.ranLastOn(session);
    if (traits === null || asks === Asks.Nothing) {
      if (diagnostics.needsMark(session, work)) this.#restoreMarked(session, work, target, untouched);
      else this.#restore(session, work, target);
    } else if (knows(session, asks, diagnostics, untouched) && isReady(session, target))
      this.#host.prepared(session, work);
    else this.#answerElsewhere(session, work, traits, asks);
  }

  /** {@link Diagnostics.needsMark} */
  #restoreMarked(session: ServerSession, work: Work, target: RestoreTarget, untouched: boolean): void {
    const { conditions, conditionsOn, conditionsUnreadOn } = this.#state.left.diagnostics;
    const waits = this.#mustWait();
    const isLeft = conditionsOn === session && untouched && isReady(session, target) && !waits;
    if (conditionsUnreadOn !== null && (conditionsUnreadOn !== session || waits))
      this.#fetch(session, work, conditionsUnreadOn);
    else if (conditions === null || isLeft) this.#restore(session, work, target);
    else this.#restore(session, work, this.#restoreTarget(session, work, ConditionsBefore.Mark));
  }

  #restoreTarget(session: ServerSession, work: Work, conditions: ConditionsBefore): RestoreTarget {
    const { left, ledger } = this.#state;
    const { profile } = ledger;
    return {
      owner: left,
      conditions,
      // Who chooses a schema needs none before: somebody may have dropped the client's.
      profile: work.choosesSchema ? profile.withSchema(session.profile.schema) : profile,
      statement: work.statement,
      trackers: work.effects.usesTrackers ? ledger.trackers : null,
      gtids: work.effects.usesTrackers && !ledger.inTransaction ? ledger.trackers.setGtids : null,
      lastInsertId: work.effects.insertId === InsertIdEffect.None ? null : left.insertId.value,
    };
  }

  /** The statement asks for what the one before left, and the session doesn't know, or not for long. */
  #answerElsewhere(session: ServerSession, work: Work, traits: StatementTraits, asks: number): void {
    const { left, ledger } = this.#state;
    const { diagnostics } = left;
    const unreadOn = whereUnread(asks, diagnostics);
    if (unreadOn !== null) {
      this.#fetch(session, work, unreadOn);
      return;
    }
    work.replaceText(null);
    const text = work.sql;
    const how =
      text === null
        ? UNKNOWN
        : elsewhere(asks, traits, text, diagnostics, session.info.flavor === 'mysql', ledger.profile);
    switch (how.kind) {
      case 'clear':
        if (this.#keepFoundRows(session)) {
          this.#fetch(session, work, session);
          return;
        }
        diagnostics.forgetPlace(session);
        this.#restore(session, work, this.#restoreTarget(session, work, ConditionsBefore.None));
        return;
      case 'text':
        diagnostics.forgetPlace(session);
        work.replaceText(how.text);
        this.#restore(session, work, this.#restoreTarget(session, work, ConditionsBefore.Any));
        return;
      case 'conditions':
        work.answer(how.conditions, how.wanted);
        diagnostics.answered(-1n);
        this.#host.answeredHere(session);
        return;
      case 'unknown':
        // Better no answer than somebody else's.
        if ((asks & Asks.FoundRows) !== 0) this.#services.foundRowsUse.asked = true;
        this.#host.notPrepared(session, diagnosticsGone(), false);
    }
  }

  /** {@link Leftovers.keepFoundRows}. Once somebody else has run something there, what there is to read is not the client's. */
  #keepFoundRows(session: ServerSession): boolean {
    return this.#state.ranLastOn(session) && this.#state.left.keepFoundRows(session);
  }

  #fetch(session: ServerSession, work: Work, there: ServerSession): void {
    this.#host.preparing();
    this.#state.left.fetch(session, there, () => {
      this.#host.answered(session, () => this.prepare(session, work));
    });
  }

  #restore(session: ServerSession, work: Work, target: RestoreTarget): void {
    const waits = this.#mustWait();
    if (isReady(session, target) && !waits) {
      this.#host.prepared(session, work);
      return;
    }
    if (waits && this.#keepFoundRows(session)) {
      this.#fetch(session, work, session);
      return;
    }
    if (needsReset(session, target)) {
      if (session.spoiltByReset) {
        this.#host.unfit(session, work);
        return;
      }
      this.#host.preparing();
      this.#resetFirst(session, work);
      return;
    }
    const wait = waits ? (this.#reads?.waitOn(this.#host.server.applied, session.info.flavor) ?? null) : null;
    if (waits && wait === null) {
      this.#host.behind(session, work);
      return;
    }
    this.#host.preparing();
    let underWay = true;
    restoreSession(session, target, wait, ({ behind, refused, stateUnknown, lost }) => {
      underWay = false;
      // The host hears of a loss from the session.
      if (lost) return;
      // Also when the client has gone meanwhile: nobody gets it as it is.
      if (stateUnknown) this.#state.ledger.mustReset = true;
      this.#host.answered(session, () => {
        if (behind) this.#host.behind(session, work);
        else if (refused !== null) this.#refused(session, refused, stateUnknown);
        else {
          if (target.conditions === ConditionsBefore.Mark) this.#state.left.diagnostics.marked(session);
          this.#host.prepared(session, work);
        }
      });
    });
    // Where nothing had to be sent after all, the command is on its way already.
    if (underWay) this.#services.counters.restores++;
  }

  /** The session has what no statement can take away: another client's user variables. */
  #resetFirst(session: ServerSession, work: Work): void {
    readLeftovers(session);
    this.#host.server.upstream.reset(session, this.#account, (error) => {
      if (error === null) this.#host.answered(session, () => this.prepare(session, work));
      else this.#host.broken(session, error.message);
    });
  }

  #refused(session: ServerSession, refused: ErrPacket, stateUnknown: boolean): void {
    const { schema } = this.#state.ledger.profile;
    // It may be the schema, dropped since the client chose it: the next login with it must be checked.
    if (stateUnknown && schema !== null) this.#services.knownSchemas.forget(this.#account, schema);
    this.#host.notPrepared(session, refused, stateUnknown);
  }
}
