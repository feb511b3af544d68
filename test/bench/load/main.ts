/**
 * The load generator's own process: gets a LoadPlan or an IdlePlan as a message, runs it, answers with messages. It ends by
 * itself when its last client has left or when the bench is gone.
 */
import { once } from 'node:events';
import { runIdle } from './idle.js';
import type { IdleMessage, IdlePlan, LoadMessage, LoadPlan } from './plan.js';
import { runLoad } from './run.js';

function tell(message: LoadMessage | IdleMessage): void {
  process.send?.(message);
}

async function run(plan: LoadPlan | IdlePlan): Promise<void> {
  if (plan.mode === 'idle') {
    const next = async (): Promise<void> => {
      await once(process, 'message');
    };
    await runIdle(plan, { say: tell, next });
    return;
  }
  const unanswered = await runLoad(plan, {
    onBegin: () => tell({ type: 'begin' }),
    onEnd: (result) => tell({ type: 'end', result }),
  });
  tell({ type: 'drained', unanswered });
}

process.once('message', (plan: LoadPlan | IdlePlan) => {
  run(plan)
    .catch((error: unknown) => {
      tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
    })
    .finally(() => {
      if (process.connected) {
        process.disconnect();
      }
    });
});
process.once('disconnect', () => {
  // Clients that are still waiting for a reply must not keep the process: give them a moment to say goodbye.
  setTimeout(() => process.exit(), 1000).unref();
});
