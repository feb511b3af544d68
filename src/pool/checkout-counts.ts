/** How a request came by its session; a metric label. */
export const CheckoutKind = {
  /** The client's own last session, in the state in which the client left it. */
  own: 'own',
  /** An idle one in the client's state. */
  equal: 'equal',
  /** An idle one in another state: it has to be restored before use. */
  restored: 'restored',
  /** After waiting for a session that was opened meanwhile. */
  new: 'new',
  /** After waiting for a session that somebody gave back, whatever its state. */
  waited: 'waited',
} as const;
export type CheckoutKind = (typeof CheckoutKind)[keyof typeof CheckoutKind];

/** Sessions lent since the start, by kind. Each counts once: one that was waited for counts as nothing else. */
export class CheckoutCounts implements Record<CheckoutKind, number> {
  own = 0;
  equal = 0;
  restored = 0;
  new = 0;
  waited = 0;

  byKind(): ReadonlyMap<CheckoutKind, number> {
    return new Map(Object.values(CheckoutKind).map((kind) => [kind, this[kind]]));
  }

  get all(): number {
    return this.own + this.equal + this.restored + this.new + this.waited;
  }

  /** Share of checkouts that needed neither a restore nor a new session nor a wait; 0 before the first. */
  get reuseRatio(): number {
    return this.all === 0 ? 0 : (this.own + this.equal) / this.all;
  }
}
