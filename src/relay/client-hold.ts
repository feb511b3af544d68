import type { ServerSession } from '../backend/server-session.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import { HoldReason } from '../session/hold-reason.js';
import { lexerContextOf } from '../session/lexer-context.js';
import type { StatementEffects } from '../session/statement-effects.js';
import { holdsBegunBy } from './begun-holds.js';
import type { ClientIdentity } from './client-identity.js';
import { type Holder, LASTING } from './hold-register.js';
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

  constructor(services: RelayServices, connectionId: number, identity: ClientIdentity) {
    this.#services = services;
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

  /**
   * The client has this session now, which stays with it for the reasons in `holds`; `work` has made the difference, if
   * there is one. To be called whenever they may have changed.
   */
  note(session: ServerSession | null, holds: number, work: Work | null): void {
    const bits = session === null ? 0 : holds;
    if (this.#expected) this.#expect(false);
    if (bits !== this.#noted) this.#tell(session, bits, work);
  }

  /** `on_unsafe: error`: why a statement is not to be run at all for a client that holds `holds`; mostly null. */
  refusal(effects: StatementEffects, holds: number): ErrPacket | null {
    const { unsafe } = this.#services;
    if (unsafe.refused === 0 || effects.state === null) return null;
    return unsafe.refusal(this, holdsBegunBy(effects) & ~holds);
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

  #expect(expected: boolean): void {
    if (this.#expected === expected) return;
    this.#expected = expected;
    this.#services.holds.expected += expected ? 1 : -1;
  }

  #tell(session: ServerSession | null, bits: number, work: Work | null): void {
    const { holds: register, unsafe } = this.#services;
    const sql = work?.sql ?? null;
    this.#session = session;
    if (((bits ^ this.#noted) & HoldReason.Transaction) !== 0) this.transactions++;
    this.#noted = bits;
    const text =
      session === null || sql === null
        ? null
        : { sql, context: lexerContextOf(session.profile, session.info) };
    const added = register.changed(this, bits, text);
    if ((added & unsafe.watched) !== 0) unsafe.began(this, added, text);
  }
}
