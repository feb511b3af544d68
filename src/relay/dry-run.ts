import { systemClock } from '../pool/clock.js';
import { type Loan, LoanLog } from '../pool/loan-log.js';
import { holdWords } from '../session/hold-reason.js';
import type { Digest, StatementText } from './hold-register.js';

/** Kinds of refused statements that are kept, at most. */
const MOST_REFUSED = 200;

/** A client's session, as long as pool mode `transaction` would have lent it one. */
export class DryLoan implements Loan {
  client = 0;
  askedAt = 0;
  lentAt = 0;
  profile = 0;
  readonly number: number;

  constructor(number: number) {
    this.number = number;
  }
}

/** Statements that `on_unsafe` would have refused. */
export interface DryRefusal {
  readonly reason: string;
  readonly statement: string | null;
  count: number;
}

/**
 * `dry_run`: what pool mode `transaction` would have lent, held and refused, while each client keeps a session of its own. The
 * ledger is the same, and the server is asked the same questions at the same moments; only what is given back stays where it is.
 */
export class DryRun {
  readonly loans: LoanLog;
  /** Commands after which the session could have gone to anybody. */
  shared = 0;
  readonly #digest: Digest;
  readonly #inFlight = new Set<DryLoan>();
  readonly #refused = new Map<string, DryRefusal>();

  constructor(digest: Digest) {
    this.#digest = digest;
    this.loans = new LoanLog({ clock: systemClock, inFlight: () => this.#inFlight, waiting: () => [] });
  }

  /** For a client that is new. */
  newLoan(): DryLoan {
    return new DryLoan(this.loans.newClient());
  }

  /** A session would be lent now; does nothing where it is already. `profile`: a number for the state that is wanted. */
  begin(loan: DryLoan, profile: number): void {
    if (loan.client !== 0) return;
    // 0 is none.
    loan.profile = profile === 0 ? 1 : profile;
    this.#inFlight.add(loan);
    this.loans.lend(loan, loan.number, 0, 0);
  }

  /** It would be given back. `shared`: behind a command, with nothing that holds it. */
  end(loan: DryLoan, shared: boolean): void {
    if (loan.client === 0) return;
    if (shared) this.shared++;
    this.#inFlight.delete(loan);
    this.loans.returned(loan);
  }

  /** A statement that begins these holds would have been refused. */
  refused(holds: number, text: StatementText | null): void {
    const [reason = ''] = holdWords(holds);
    const statement = text === null ? null : this.#digest(text);
    const known = this.#refused.size < MOST_REFUSED || this.#refused.has(`${reason} ${statement}`);
    const key = known ? `${reason} ${statement}` : reason;
    const entry = this.#refused.get(key) ?? { reason, statement: known ? statement : null, count: 0 };
    entry.count++;
    this.#refused.set(key, entry);
  }

  get refusals(): readonly DryRefusal[] {
    return [...this.#refused.values()];
  }
}
