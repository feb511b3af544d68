import type { Borrower, ServerSession } from '../backend/server-session.js';
import { HoldReason } from '../session/hold-reason.js';
import type { ClientHold } from './client-hold.js';
import type { ClientState } from './client-state.js';
import type { CommandTimes } from './command-times.js';
import type { DryLoan } from './dry-run.js';
import type { RelayServices } from './relay-services.js';
import type { SessionCheckout } from './session-checkout.js';
import type { Work } from './work.js';

/** Who is to know how long a client has a session, and what for. */
export interface LoanWitnesses {
  readonly state: ClientState;
  readonly times: CommandTimes;
  readonly hold: ClientHold;
  readonly checkout: SessionCheckout;
}

/** The session that is lent to a client, and who hears that it is, and is held: the register of holds, the pool, a dry run. */
export class SessionLoan {
  /** Lent at this moment: for a command, or held between two. */
  session: ServerSession | null = null;
  /** The command that it is lent for, or the client's last one. */
  work: Work | null = null;
  readonly #services: RelayServices;
  readonly #state: ClientState;
  readonly #times: CommandTimes;
  readonly #hold: ClientHold;
  readonly #checkout: SessionCheckout;
  /** What it would have of the pool's sessions, in a dry run. */
  readonly #dry: DryLoan | null;

  constructor(services: RelayServices, { state, times, hold, checkout }: LoanWitnesses) {
    this.#services = services;
    this.#state = state;
    this.#times = times;
    this.#hold = hold;
    this.#checkout = checkout;
    this.#dry = services.dryRun?.newLoan() ?? null;
  }

  get holds(): number {
    return this.#state.holds;
  }

  /** Holds besides pool mode `session`. */
  get heldElse(): number {
    return this.#state.holds & ~HoldReason.SessionMode;
  }

  /** Between commands: nothing keeps the session with the client. */
  get isFree(): boolean {
    // In a dry run, nothing is given back twice.
    return this.#dry === null ? this.holds === 0 : this.#dry.client !== 0 && this.heldElse === 0;
  }

  /** As {@link work}, where there must have been one. */
  get lastWork(): Work {
    if (this.work === null) throw new TypeError('a session is used without a command');
    return this.work;
  }

  /** As {@link session}, where there must be one. */
  get lentSession(): ServerSession {
    if (this.session === null) throw new TypeError('a reply came without a session');
    return this.session;
  }

  begin(session: ServerSession, borrower: Borrower): void {
    this.session = session;
    session.borrower = borrower;
    this.#state.learnProfile();
    this.used();
  }

  /** A command is to run on the session. */
  used(): void {
    if (this.#dry !== null) this.#services.dryRun?.begin(this.#dry, this.#state.profile.hash);
  }

  /** A command is over, or was settled between two. */
  settled(): void {
    this.changed();
    if (this.#dry !== null && this.heldElse === 0) this.#services.dryRun?.end(this.#dry, true);
  }

  /** It is the client's no longer. {@link changed} follows. */
  letGo(): void {
    this.session = null;
    // Before the session goes to anybody: a hold that ends with it is no reason for its process to be served ahead of others.
    this.#checkout.holding(false);
  }

  /** As {@link letGo}, and what was held has ended. */
  end(): void {
    this.session = null;
    this.changed();
  }

  /** The session may have gone, or be held for other reasons than before. */
  changed(): void {
    const { session, work } = this;
    if (session === null) this.#times.returned();
    const begun = this.#hold.note(session, this.holds, work);
    if (begun > 0) this.#times.holdsBegun(begun);
    this.#checkout.holding(session !== null && this.holds !== 0);
    if (this.#dry !== null && session === null) this.#services.dryRun?.end(this.#dry, false);
  }
}
