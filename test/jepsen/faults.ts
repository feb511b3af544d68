import type { Fault } from '../oracle/faults.js';
import type { WorkloadName } from './history.js';
import type { RunOptions } from './run.js';

/** A fault in the proxy, and where it shows soonest. */
export interface PlantedFault extends Fault {
  readonly workloads: readonly WorkloadName[];
  /** Faults of the world that bring it out; none are needed where it is empty. */
  readonly nemesis: readonly string[];
}

/** Each breaks a promise about what is done, once, for whom. */
export const FAULTS: Readonly<Record<string, PlantedFault>> = {
  'rerun-sent': {
    what: 'a statement that was sent is sent again when its session is lost, whatever it does',
    file: 'relay/lost-command.js',
    find: 'return attempts.lost < MAX_LOST && isRepeatable(work);',
    replace: 'return attempts.lost < MAX_LOST;',
    workloads: ['once'],
    nemesis: ['link-lost-reply'],
  },
  'commit-rerun': {
    what: 'a COMMIT whose session is lost is run on another one, where there is nothing to commit',
    file: 'relay/lost-command.js',
    find: 'case StatementKind.Rollback:\n            return HoldReason.Transaction;',
    replace:
      'case StatementKind.Commit:\n        case StatementKind.Rollback:\n            return HoldReason.Transaction;',
    workloads: ['append', 'bank'],
    nemesis: ['session-kill', 'link-reset'],
  },
  'loss-untold': {
    what: 'a client whose session was lost between two statements is not told, and goes on without its transaction',
    file: 'relay/loss-recovery.js',
    find: 'const lost = this.#owed?.before(work) ?? null;',
    replace: 'const lost = null;',
    workloads: ['append', 'bank'],
    nemesis: ['session-kill', 'link-reset'],
  },
  'shared-transaction': {
    what: 'a session is given back within a transaction',
    file: 'session/session-ledger.js',
    find: 'this.holds |= reason;',
    // MySQL also tells of an open one by its characteristics, as of one to come.
    replace:
      'this.holds |= reason === HoldReason.Transaction || reason === HoldReason.NextTransaction ? 0 : reason;',
    workloads: ['append', 'bank'],
    nemesis: [],
  },
  'no-rollback': {
    what: 'the transaction of a client that has left is not rolled back',
    file: 'relay/session-cleaner.js',
    find: 'this.#reset(session, account, over);',
    replace: '{ this.#pools.checkin(session); over(); }',
    workloads: ['append', 'bank', 'once'],
    nemesis: [],
  },
  'crossed-reply': {
    what: 'now and then a reply goes to another client',
    file: 'relay/client-reply.js',
    find: 'this.#target = target;',
    replace: `this.#target = {
            write(...bytes) {
                const { last } = globalThis;
                globalThis.last = target;
                return (last !== undefined && Math.random() < 0.02 ? last : target).write(...bytes);
            },
            get writableNeedDrain() { return target.writableNeedDrain; },
        };`,
    workloads: ['tags', 'once'],
    nemesis: [],
  },
  isolation: {
    what: 'the isolation level is not carried to the next session',
    file: 'session/profile.js',
    find: 'if (this.variable(name) === value)',
    replace: 'if (/^(tx|transaction)_isolation$/.test(name) || this.variable(name) === value)',
    workloads: ['append'],
    nemesis: [],
  },
  'refused-run': {
    what: 'that a statement was not executed is said of one that was sent',
    file: 'relay/lost-command.js',
    find: 'if (progress === Progress.NotSent || progress === Progress.Refused)',
    replace: 'if (progress !== Progress.Replying)',
    workloads: ['once'],
    nemesis: ['link-lost-reply'],
  },
  'refused-moves': {
    what: 'a statement of a transaction that a read-only server refuses is run elsewhere, without the transaction',
    file: 'relay/command-refusal.js',
    find: "this.#attempts.made < MAX_ATTEMPTS &&\n            LostState.of(this.#state.holds, '', work) === null;",
    replace: 'this.#attempts.made < MAX_ATTEMPTS;',
    workloads: ['append', 'bank'],
    nemesis: ['read-only'],
  },
};

/** How a fault is looked for. */
export function searchFor(fault: PlantedFault, main: string): Omit<RunOptions, 'seconds' | 'seed'> {
  return { workloads: fault.workloads, faults: fault.nemesis, main, pauseMs: 150, linkPauseMs: 40 };
}
