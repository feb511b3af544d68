/** A KILL of a client that is not of this process. */
export interface KillQuestion {
  readonly id: number;
  /** The client; else its statement only. */
  readonly connection: boolean;
  /** Whose clients may be killed. */
  readonly userName: string;
}

/** What became of it. */
export type KillOutcome =
  | { readonly kind: 'unknown' | 'not_owner' | 'killed' }
  | { readonly kind: 'failed'; readonly message: string };

/** The other processes that serve the same clients. */
export interface OtherWorkers {
  /** Never rejects. */
  kill(question: KillQuestion): Promise<KillOutcome>;
  /** Whether a connection of the server's is a session of one of their pools. Never rejects. */
  hasSession(connectionId: bigint): Promise<boolean>;
}
