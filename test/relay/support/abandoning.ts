import { Command } from '../../../src/protocol/constants.js';
import { eventually } from '../../support/proxied.js';
import type { ProxiedUser } from '../../support/proxied-user.js';
import { commandPayload, loginOf, RawClient } from '../../support/raw-client.js';

/** Of the table `many`: what many clients wait for. */
export const LOCKED_ROW = -1;

/** A client of the proxy's that can be cut off in the midst of anything. */
export function login(world: ProxiedUser): Promise<RawClient> {
  return RawClient.login(loginOf(world.proxy.url));
}

/** Sends a statement and does not wait for its reply. */
export function begin(client: RawClient, sql: string): void {
  client.send(commandPayload(Command.Query, sql));
}

/** Whether the process list has a statement with this text. */
export async function runs(world: ProxiedUser, text: string): Promise<boolean> {
  return (await world.sessions()).some(({ info }) => info?.includes(text) === true);
}

/** The server's own id of the session that runs a statement with this text, as soon as there is one. */
export async function sessionRunning(world: ProxiedUser, text: string): Promise<number> {
  let found: number | undefined;
  await eventually(`${text} runs`, async () => {
    found = (await world.sessions()).find(({ info }) => info?.includes(text) === true)?.id;
    return found !== undefined;
  });
  return found ?? 0;
}

export function gone(world: ProxiedUser, text: string): Promise<void> {
  return eventually(`${text} is gone`, async () => !(await runs(world, text)));
}

export async function sessionIds(world: ProxiedUser): Promise<readonly number[]> {
  return (await world.sessions()).map(({ id }) => id);
}
