import type { Random } from '../../oracle/random.js';
import type { JepsenClient } from '../client.js';
import type { Engine } from '../engines/engine.js';
import type { Anomaly, AnyOperation, IsolationLevel, Outcome } from '../history.js';
import type { Recorder } from '../recorder.js';

/** One logical process: it does one thing after the other, over one connection after the other. */
export interface Process {
  readonly number: number;
  readonly random: Random;
  readonly recorder: Recorder;
}

/** Something that clients do, and what must be true of it. */
export interface Workload {
  readonly level: IsolationLevel;
  /** Makes the tables, which are of this round alone. */
  setUp(engine: Engine): Promise<void>;
  /**
   * One operation, which it records, whatever comes of it. @throws CommandFailed when the connection is of no use any more, or
   * what it holds is to be given up.
   */
  step(process: Process, client: JepsenClient): Promise<void>;
  /** Reads what is there when all is over. */
  finish(engine: Engine, recorder: Recorder): Promise<void>;
  check(operations: readonly AnyOperation[]): readonly Anomaly[];
}

/** How an operation came out. */
export interface Told {
  readonly outcome: Outcome;
  readonly error?: string;
}
