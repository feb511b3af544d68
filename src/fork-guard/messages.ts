/** A process that has a client's socket open. */
export interface Holder {
  readonly pid: number;
  readonly name: string;
  /** The file it runs; null when it may not be seen. */
  readonly executable: string | null;
  /** Where its stack begins: the same in processes forked from one another without an exec. */
  readonly stackStart: string;
  readonly startTicks: number;
  /** How long ago it was forked, in milliseconds; rather too little than too much. */
  readonly ageMs: number;
  /** One letter, as `S` for sleeping. */
  readonly state: string;
  readonly cpuTicks: number;
  /** Changes whenever it has run. */
  readonly progress: string;
}

/** A process forked after a client's login that has had its socket. */
export interface Suspect {
  readonly pid: number;
  readonly inode: string;
  /** The socket's descriptor there, which in its relatives is the same one. */
  readonly fd: string;
}

/** A client whose socket may be shared. */
export interface Suspicion {
  readonly suspects: readonly Suspect[];
  /** The process that the client says it is. */
  readonly claimedPid: number | null;
}

/** A client to find the process of. */
export interface Sought {
  readonly endpoint: string;
  readonly claimedPid: number | null;
}

export interface Located {
  /** A socket that can be seen here is this client's. */
  readonly socketSeen: boolean;
  /** Processes that have it; there may be more. */
  readonly pids: readonly number[];
  /** The program images that they run: see {@link imageOf}. */
  readonly images: readonly string[];
}

/** A client's socket that a process has which was forked since the last survey. */
export interface Inheritance extends Suspect {
  readonly endpoint: string;
}

/** The ids that were given to new processes and threads: those after `from`, up to `upTo`. */
export interface IdRange {
  readonly from: number;
  readonly upTo: number;
  /** False when there were so many that the order of the ids says nothing. */
  readonly ordered: boolean;
  /** One more than the highest id there may be. */
  readonly limit: number;
}

/** In the place of an image: a new process of which nothing can be read at the moment, for want of descriptors. */
export const UNREAD = '';

export interface Survey {
  readonly range: IdRange;
  readonly inherited: readonly Inheritance[];
  /** Of processes whose id is older than the range: they could not be seen before. */
  readonly late: readonly Inheritance[];
  /** Ids that may yet become visible. */
  readonly unborn: readonly number[];
  /** Images of new processes with sockets that may be clients': the tables will tell. Or {@link UNREAD}. */
  readonly doubts: readonly string[];
}

export interface Resolved {
  readonly inherited: readonly Inheritance[];
  /** Images of those that had no client's socket. */
  readonly innocent: readonly string[];
}

/** Of the clients that there are at a survey. */
export interface Clientele {
  /** Some are on unix sockets. */
  readonly unix: boolean;
  /** How many have logged in ever: what was read of their sockets stays true until that changes. */
  readonly logins: number;
  /** The process of each is known from a {@link Located}, or cannot be seen. */
  readonly placed: boolean;
}

export type Request =
  | { readonly kind: 'survey'; readonly serial: number; readonly clients: Clientele }
  /** Ids that were found without a process, to be looked at again: there is no answer but, maybe, a late one. */
  | { readonly kind: 'missing'; readonly ids: readonly number[] }
  /** To read the tables for all doubts so far. */
  | { readonly kind: 'resolve'; readonly serial: number }
  | { readonly kind: 'locate'; readonly serial: number; readonly sought: readonly Sought[] }
  | { readonly kind: 'examine'; readonly serial: number; readonly suspicions: readonly Suspicion[] };

export type Report =
  | { readonly kind: 'survey'; readonly serial: number; readonly survey: Survey }
  | { readonly kind: 'resolve'; readonly serial: number; readonly resolved: Resolved }
  | { readonly kind: 'locate'; readonly serial: number; readonly located: readonly Located[] }
  /** For each suspicion who has the socket: no one else needs to be known where no suspect has it any more. */
  | { readonly kind: 'examine'; readonly serial: number; readonly holders: readonly (readonly Holder[])[] }
  /** Found without being asked: processes whose id was given before they could be seen. */
  | { readonly kind: 'late'; readonly inherited: readonly Inheritance[]; readonly doubts: readonly string[] };

/** From when on processes are new. */
export interface Origin {
  /** The last process id. */
  readonly id: number;
  /** Since the system started; rather too early than too late. */
  readonly ticks: number;
  /** All forks since the system started, not read after the id; null where it does not tell. */
  readonly forks: number | null;
}

/** What the inspector is told when it starts. */
export interface InspectorOptions {
  /** TCP ports that the proxy listens on. */
  readonly ports: readonly number[];
  /** Where `ss` is; null when it is not installed. */
  readonly ss: string | null;
  readonly origin: Origin;
}
