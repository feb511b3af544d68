import type { Test } from 'tap';
import { Proxied } from '../../support/proxied.js';
import { startProxy } from '../../support/proxy.js';
import type { PrivateTestServer } from '../../support/servers.js';
import { TcpSwitch } from './tcp-switch.js';

/** What servers say that are read-only. */
export const REFUSED = { errno: 1290, message: /read-only option/ };

export async function setReadOnly(server: PrivateTestServer, on: boolean): Promise<void> {
  const variable = on && server.isMysql ? 'super_read_only' : 'read_only';
  await server.query(`SET GLOBAL ${variable} = ${on ? 'ON' : 'OFF'}`);
}

export async function rowsOf(server: PrivateTestServer): Promise<number[]> {
  return (await server.query<{ a: number }>('SELECT a FROM app.t ORDER BY a')).map(({ a }) => a);
}

/** A proxy that reaches its server by an address which may lead to another one. */
export async function worldOver(
  t: Test,
  server: PrivateTestServer,
  flags: readonly string[] = [],
): Promise<{ toServers: TcpSwitch; world: Proxied }> {
  const toServers = await TcpSwitch.open(t, server);
  const proxy = await startProxy(t, { upstream: toServers.url(server.url('app')), flags });
  return { toServers, world: new Proxied(t, server, proxy, 'app') };
}

/** Commands that were refused by a read-only server and run once more. */
export function reruns(world: Proxied): Promise<number> {
  return world.proxy.metric('mybouncer_statements_rerun_total', 'hint="read_only"');
}
