/**
 * The load generator's own process: gets a LoadPlan as a message, runs it, answers with LoadMessages. It ends by
 * itself when its last client has left or when the bench is gone.
 */
import type { LoadMessage, LoadPlan, LoadResult } from './plan.js';
import { runLoad } from './run.js';

function tell(message: LoadMessage): void {
  process.send?.(message);
}

process.once('message', (plan: LoadPlan) => {
  const onEnd = (result: LoadResult): void => tell({ type: 'end', result });
  runLoad(plan, { onBegin: () => tell({ type: 'begin' }), onEnd }).then(
    (unanswered) => {
      tell({ type: 'drained', unanswered });
      process.disconnect();
    },
    (error: unknown) => {
      tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
      process.disconnect();
    },
  );
});
process.once('disconnect', () => {
  // Clients that are still waiting for a reply must not keep the process: give them a moment to say goodbye.
  setTimeout(() => process.exit(), 1000).unref();
});
