import type { ServerSession } from '../backend/server-session.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { HoldReason, holdWords } from '../session/hold-reason.js';
import { lexerContextOf } from '../session/lexer-context.js';
import type { StatementEffects } from '../session/statement-effects.js';
import { holdsBegunBy } from './begun-holds.js';
import type { ClientIdentity } from './client-identity.js';
import type { ClientState } from './client-state.js';
import type { DryRun } from './dry-run.js';
import { type Holder, type HolderPause, LASTING, type StatementText } from './hold-register.js';
import type { RelayServices } from './relay-services.js';
import type { Work } from './work.js';

/** One client's entry in the register of holds, and what the configuration says to what it is about to hold. */
export class ClientHold implements Holder {
  readonly connectionId: number;
  /** Another number once another transaction may have begun. */
  transactions = 0;
  readonly #services: RelayServices;
  readonly #identity: ClientIdentity;
  #session: ServerSession | null = null;
  /** What the register was told last. */
  #noted = 0;
  /** A statement is under way that may begin a lasting hold. */
  #expected = false;
  readonly #isIdle: () => boolean;
  #lastWork: Work | null = null;
  #pause: HolderPause | null = null;

  /** `isIdle`: no command is under way. */
  constructor(
    services: RelayServices,
    connectionId: number,
    identity: ClientIdentity,
    isIdle: () => boolean,
  ) {
    this.#services = services;
    this.#isIdle = isIdle;
    this.connectionId = connectionId;
    this.#identity = identity;
  }

  get userName(): string {
    return this.#identity.userName;
  }

  get serverUser(): string {
    return this.#identity.account.user;
  }

  get serverConnectionId(): number | null {
    return this.#session?.connectionId ?? null;
  }

  /** {@link Holder.pause} */
  get pause(): HolderPause | null {
    if (!this.#isIdle()) return null;
    // Nothing has come since that could have taken the place of its text.
    this.#pause ??= { text: this.#textOf(this.#session, this.#lastWork), digest: undefined };
    return this.#pause;
  }

  /**
   * The client has this session now, which stays with it for the reasons in `holds`; `work` has made the difference, if
   * there is one. To be called whenever they may have changed.
   * @returns how many reasons are new
   */
  note(session: ServerSession | null, holds: number, work: Work | null): number {
    const bits = session === null ? 0 : holds;
    this.#lastWork = work;
    this.#pause = null;
    if (this.#expected) this.#expect(false);
    return bits === this.#noted ? 0 : this.#tell(session, bits, work);
  }

  /** `on_unsafe: error`: why a statement is not to be run at all for a client in this state; mostly null. */
  refusal(work: Work, state: ClientState): ErrPacket | null {
    const { effects } = work;
    const { unsafe, dryRun } = this.#services;
    if (unsafe.refused === 0 || effects.state === null) return null;
    const begins = holdsBegunBy(effects) & ~state.holds;
    if (dryRun === null) return unsafe.refusal(this, begins);
    if ((begins & unsafe.refused) !== 0) this.#refusedDry(dryRun, work, state, begins & unsafe.refused);
    return null;
  }

  /** `max_held`: the same, at the moment when it has got its session. Until {@link note}, it counts as if it held one. */
  tooMany(poolKey: string, effects: StatementEffects, holds: number): ErrPacket | null {
    if (effects.state === null || (holds & LASTING) !== 0 || this.#services.sessionMode) return null;
    const begins = holdsBegunBy(effects);
    if ((begins & LASTING) === 0) return null;
    const refused = this.#services.unsafe.tooMany(poolKey, begins);
    if (refused === null) this.#expect(true);
    return refused;
  }

  #refusedDry(dryRun: DryRun, { sql }: Work, state: ClientState, holds: number): void {
    const info = this.#services.upstream.facts?.info;
    // It has no profile before the server's defaults are known.
    const known = sql !== null && info !== undefined && state.learnProfile();
    dryRun.refused(holds, known ? { sql, context: lexerContextOf(state.profile, info) } : null);
  }

  #expect(expected: boolean): void {
    if (this.#expected === expected) return;
    this.#expected = expected;
    this.#services.holds.expected += expected ? 1 : -1;
  }

  #tell(session: ServerSession | null, bits: number, work: Work | null): number {
    const { holds: register, unsafe } = this.#services;
    this.#session = session;
    if (((bits ^ this.#noted) & HoldReason.Transaction) !== 0) this.transactions++;
    this.#noted = bits;
    const text = this.#textOf(session, work);
    const added = register.changed(this, bits, text);
    if ((added & unsafe.watched) !== 0) unsafe.began(this, added, text);
    return holdWords(added).length;
  }

  #textOf(session: ServerSession | null, work: Work | null): StatementText | null {
    const sql = work?.sql ?? null;
    if (session === null || sql === null) return null;
    return { sql, context: lexerContextOf(session.profile, session.info) };
  }
}
