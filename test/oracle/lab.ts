import { createConnection } from 'mysql2/promise';
import type { Workspace } from '../bench/children.js';
import { type Difference, execute } from './execution.js';
import type { Plan, Step } from './model.js';
import { type RunningProxy, startProxy } from './proxy.js';
import type { OracleServer } from './server.js';
import { World } from './world.js';

/** What plans run on. */
export interface Lab {
  readonly server: OracleServer;
  readonly workspace: Workspace;
  /** The program under test; null: both sides connect to the server itself, which must show no difference at all. */
  readonly main: string | null;
  readonly poolSize: number;
}

export interface PlanRun {
  readonly difference: Difference | null;
  /** The end of the proxy's log. */
  readonly log: readonly string[];
}

/**
 * The proxy keeps FOUND_ROWS() after LIMIT with an offset and the like once a client has asked in vain: the first one does so here.
 */
async function askForFoundRows(server: OracleServer, proxy: RunningProxy): Promise<void> {
  const login = { host: proxy.host, port: proxy.port, user: server.user, password: server.password };
  const clients = await Promise.all([createConnection(login), createConnection(login)]);
  for (const client of clients) {
    client.on('error', () => undefined);
    await client.query('SELECT 1 UNION SELECT 2 LIMIT 1, 1');
  }
  for (const client of clients) {
    await client.query('SELECT FOUND_ROWS()').catch(() => undefined);
    client.destroy();
  }
}

/** Runs a plan with fresh objects and a fresh proxy. */
export async function runPlan(
  lab: Lab,
  plan: Plan,
  options: { readonly serial?: boolean; readonly until?: number; onStep?(step: Step): void } = {},
): Promise<PlanRun> {
  const { server, workspace, main, poolSize } = lab;
  const [world, proxy] = await Promise.all([
    World.create(server, plan),
    main === null ? null : startProxy(workspace, server, { main, poolSize }),
  ]);
  try {
    if (proxy !== null) await askForFoundRows(server, proxy);
    const difference = await execute({
      server,
      world,
      plan,
      proxy: proxy ?? server,
      serial: options.serial ?? false,
      until: options.until ?? Number.POSITIVE_INFINITY,
      ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
    });
    return { difference, log: [...(proxy?.log() ?? [])] };
  } finally {
    await proxy?.stop();
    await world.drop();
  }
}
