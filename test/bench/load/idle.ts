import { performance } from 'node:perf_hooks';
import { inLanes } from './lanes.js';
import { ErrorTally } from './meter.js';
import type { IdleMessage, IdlePlan } from './plan.js';
import { LoadSession, type Traffic } from './session.js';
import { queryPacket } from './wire.js';

/** Logs in, sends a statement so many times, and stays. @returns the session; nothing where it was lost on the way */
function openClient(
  plan: IdlePlan,
  statements: number,
  traffic: Traffic,
  errors: ErrorTally,
): Promise<LoadSession | undefined> {
  return new Promise((resolve) => {
    const query = queryPacket(plan.statement);
    let remaining = statements;
    const next = () => {
      remaining -= 1;
      if (remaining < 0) {
        resolve(session);
      } else {
        session.send(query);
      }
    };
    const session = new LoadSession(plan, traffic, {
      onReady: next,
      onReply: (error) => {
        if (error !== undefined) {
          errors.add(error);
        }
        next();
      },
      onLost: (reason) => {
        errors.add(reason);
        resolve(undefined);
      },
    });
  });
}

/** Runs the steps of a plan, each after the first when `next` lets it. */
export async function runIdle(
  plan: IdlePlan,
  { say, next }: { say(message: IdleMessage): void; next(): Promise<void> },
): Promise<void> {
  const errors = new ErrorTally();
  const traffic = { received: 0 };
  const open = async (clients: number, statements: number) => {
    const sessions: LoadSession[] = [];
    await inLanes(clients, async () => {
      const session = await openClient(plan, statements, traffic, errors);
      if (session !== undefined) {
        sessions.push(session);
      }
    });
    return sessions;
  };
  const leave = (sessions: readonly LoadSession[]) => {
    for (const session of sessions) {
      session.quit();
    }
  };
  const seconds = (since: number) => (performance.now() - since) / 1000;

  let began = performance.now();
  leave(await open(plan.warmClients, plan.warmStatements));
  say({ type: 'warmed', seconds: seconds(began) });
  await next();
  began = performance.now();
  const sessions = await open(plan.clients, 1);
  say({ type: 'connected', seconds: seconds(began) });
  await next();
  leave(sessions);
  say({ type: 'left', errors: errors.count, errorTexts: errors.texts });
  await next();
}
