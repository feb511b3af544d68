/** How the process is to end. */
export const StopMode = {
  /** Clients may finish. */
  Drain: 'drain',
  /** At once, with nothing left behind on the server. */
  Now: 'now',
} as const;
export type StopMode = (typeof StopMode)[keyof typeof StopMode];

export interface SignalLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

/** Ctrl-C comes twice where a wrapper (npm) passes on what the terminal has sent to both, in ms. */
const SAME_INTERRUPT_MS = 250;

/**
 * The signals that ask for an end: SIGTERM drains, SIGINT ends at once but cleanly, as any signal does that comes while the
 * proxy drains; one more ends the process where it stands.
 */
export class StopSignals {
  readonly first: Promise<StopMode>;
  /** A drain is to be cut short. */
  onHurry: () => void = () => {};
  /** A new process is to take over. */
  onRestart: () => void = () =>
    this.#log.warn({ signal: 'SIGUSR2' }, 'master is off: there is nobody who could start a new process');
  /** What SIGHUP does; null: it is kept until that is known. */
  #onHangUp: (() => void) | null = null;
  #hungUp = false;
  readonly #log: SignalLog;
  readonly #abandon: () => void;
  #resolve: (mode: StopMode) => void = () => {};
  #mode: StopMode | null = null;
  #interruptedAt = Number.NEGATIVE_INFINITY;

  /** @param abandon - ends the process where it stands */
  constructor(log: SignalLog, abandon: () => void) {
    this.#log = log;
    this.#abandon = abandon;
    this.first = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    // The runtime would open its debugger, to whoever is on this machine: everything in memory could be read there.
    process.on('SIGUSR1', (signal) => log.warn({ signal }, 'a signal that means nothing here'));
    process.on('SIGUSR2', () => this.onRestart());
    process.on('SIGHUP', () => {
      this.#hungUp = true;
      this.#onHangUp?.();
    });
    process.on('SIGTERM', (signal) => this.request(StopMode.Drain, { signal }));
    process.on('SIGINT', (signal) => {
      const now = performance.now();
      if (now - this.#interruptedAt > SAME_INTERRUPT_MS) this.request(StopMode.Now, { signal });
      this.#interruptedAt = now;
    });
  }

  set onHangUp(reload: () => void) {
    this.#onHangUp = reload;
    if (this.#hungUp) reload();
  }

  get requested(): boolean {
    return this.#mode !== null;
  }

  /** As a signal does. @param why - for the log */
  request(mode: StopMode, why: object): void {
    const before = this.#mode;
    if (before === null) {
      this.#mode = mode;
      this.#log.info(why, FIRST[mode]);
      this.#resolve(mode);
    } else if (before === StopMode.Drain) {
      this.#mode = StopMode.Now;
      this.#log.warn(why, 'stopping at once; one more signal ends the process where it stands');
      this.onHurry();
    } else {
      this.#log.warn(why, 'ended without closing anything');
      this.#abandon();
    }
  }
}

const FIRST: Readonly<Record<StopMode, string>> = {
  [StopMode.Drain]: 'stopping; a second signal stops at once',
  [StopMode.Now]: 'stopping at once; one more signal ends the process where it stands',
};
