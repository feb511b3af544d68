import { Counter, Gauge, type Registry } from 'prom-client';

/** What a dry run has found. */
export interface DryRunCounts {
  /** Sessions that pool mode `transaction` would have lent: now, and at most at the same time. */
  readonly needed: number;
  readonly peak: number;
  /** Since the start: commands after which the session could have gone to anybody. */
  readonly shared: number;
  /** Since the start: statements that `on_unsafe` would have refused. */
  readonly refused: number;
}

/** `mybouncer_dry_run_*`, which are there in a dry run only. */
export function registerDryRun(registers: Registry[], read: () => DryRunCounts): void {
  new Gauge({
    name: 'mybouncer_dry_run_sessions',
    help: 'Server sessions that pool mode transaction would need: now, and the most at the same time since the start.',
    labelNames: ['kind'],
    registers,
    collect() {
      const { needed, peak } = read();
      this.set({ kind: 'now' }, needed);
      this.set({ kind: 'peak' }, peak);
    },
  });
  const count = (name: string, help: string, value: () => number): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  };
  count(
    'mybouncer_dry_run_shared_total',
    'Commands after which pool mode transaction would have given the server session back.',
    () => read().shared,
  );
  count(
    'mybouncer_dry_run_refused_total',
    'Statements that on_unsafe would have refused in pool mode transaction.',
    () => read().refused,
  );
}
