/**
 * One server, as far as reading one's writes goes: processes refer to those that are known to have all of their writes. After a
 * server was away it gets another one, since it may come back with less.
 */
export class AppliedWrites {
  /** Whether it gets writes from another server, and can be waited for. Whoever watches the server says so. */
  isReplica: boolean;

  constructor(isReplica: boolean) {
    this.isReplica = isReplica;
  }
}
