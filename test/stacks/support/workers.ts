import { readFile } from 'node:fs/promises';
import type { TestServer } from '../../support/servers.js';

/** A statement that runs on the server, and who sent it: django_project.py writes that into each. */
export interface WorkerStatement {
  readonly session: number;
  /** Process id of the worker. */
  readonly worker: number;
  /** Of the HTTP request; 0 where it has none. */
  readonly request: number;
  readonly text: string;
}

/** What the server itself shows to run for an account, of what workers have sent. */
export async function workerStatements(server: TestServer, user: string): Promise<WorkerStatement[]> {
  const sessions = await server.sessions(user);
  return sessions.flatMap(({ id, command, info }) => {
    const [, worker, request] = /\/\* worker (\d+) request (\d+) \*\/$/.exec(info ?? '') ?? [];
    if (command === 'Sleep' || worker === undefined) return [];
    return [{ session: id, worker: Number(worker), request: Number(request), text: info ?? '' }];
  });
}

/** Those of them whose worker is dead: they run for nobody. */
export async function outlivingStatements(server: TestServer, user: string): Promise<WorkerStatement[]> {
  const statements = await workerStatements(server, user);
  const alive = await Promise.all(statements.map(({ worker }) => isAlive(worker)));
  return statements.filter((_, i) => alive[i] === false);
}

/** False for a zombie as well: it has no sockets any more. */
async function isAlive(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return stat !== '' && !/\) [ZX] /.test(stat);
}

/** Whether any of these processes still runs. */
export async function anyAlive(pids: readonly number[]): Promise<boolean> {
  return (await Promise.all(pids.map(isAlive))).includes(true);
}

/**
 * The sessions of an account that have a transaction open. Not from innodb_trx: that shows what it has shown before to whoever
 * asks within 100 ms of anybody's last time, so that a loop which waits for a change waits for ever.
 */
export async function sessionsInTransaction(server: TestServer, user: string): Promise<number[]> {
  const own = new Set((await server.sessions(user)).map(({ id }) => id));
  const [row] = await server.query<{ Status: string }>('SHOW ENGINE INNODB STATUS');
  if (row === undefined) throw new Error('InnoDB has no status');
  return row.Status.split('---TRANSACTION ')
    .filter((text) => /^\w+, ACTIVE /.test(text))
    .map((text) => Number(/^(?:MariaDB|MySQL) thread id (\d+),/m.exec(text)?.[1]))
    .filter((id) => own.has(id));
}
