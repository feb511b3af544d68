import type { ServerAccount } from '../backend/upstream.js';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { KillTarget } from '../sql/traits.js';
import { clientError } from './client-errors.js';
import { isVirtualId, type RegisteredClient } from './client-registry.js';
import type { RelayServices } from './relay-services.js';

/** The client that says KILL. */
export interface KillClient extends RegisteredClient {
  readonly services: RelayServices;
  readonly account: ServerAccount;
  /** The next command waits until {@link workDone}. */
  suspend(): void;
  workDone(): void;
  sendOk(): void;
  sendErr(err: ErrPacket): void;
  end(): void;
}

/** KILL as SQL; its id is what the client knows of itself and others: the proxy's, or one from the processlist. */
export function killByStatement(client: KillClient, kill: KillTarget, execute: Buffer | null): void {
  const id = kill.id ?? (execute === null ? null : parameterOf(execute));
  if (id === null || kill.kind === 'user' || kill.kind === 'query_id') {
    const text =
      'KILL takes a connection id here, as a number or an integer parameter; KILL USER and KILL QUERY ID are for a direct connection';
    client.sendErr(clientError(ServerError.NotSupportedYet, text));
  } else if (kill.kind === 'connection') {
    killConnection(client, id);
  } else {
    killQuery(client, id);
  }
}

export function killConnection(client: KillClient, id: bigint): void {
  if (!isVirtualId(Number(id))) {
    forward(client, 'CONNECTION', id);
    return;
  }
  const target = targetOf(client, id);
  if (target === null) return;
  if (target === client) {
    client.sendErr({ ...ServerError.QueryInterrupted, message: 'Query execution was interrupted' });
    client.end();
    return;
  }
  target.killConnection();
  client.sendOk();
}

function killQuery(client: KillClient, id: bigint): void {
  if (!isVirtualId(Number(id))) {
    forward(client, 'QUERY', id);
    return;
  }
  const target = targetOf(client, id);
  if (target === null) return;
  client.suspend();
  target.killQuery((error) => {
    if (error === null) client.sendOk();
    else client.sendErr(clientError(ServerError.UnknownError, error.message));
    client.workDone();
  });
}

/** The client with this id, if it is there and of the same user; else the client is told, in the servers' words. */
function targetOf(client: KillClient, id: bigint): RegisteredClient | null {
  const target = client.services.clients.get(Number(id));
  if (target === undefined) {
    client.sendErr({ ...ServerError.NoSuchThread, message: `Unknown thread id: ${id}` });
    return null;
  }
  if (target.userName !== client.userName) {
    client.sendErr({ ...ServerError.KillDenied, message: `You are not owner of thread ${id}` });
    return null;
  }
  return target;
}

/**
 * An id of the server's own. One of the proxy's sessions is refused: whoever has it at this moment is not whom the
 * client saw there.
 */
function forward(client: KillClient, what: 'CONNECTION' | 'QUERY', id: bigint): void {
  for (const { session } of client.services.pools.sessions()) {
    if (BigInt(session.connectionId) === id) {
      const text = `Unknown thread id: ${id} (a server session of mybouncer's: kill the client by the id it was given)`;
      client.sendErr({ ...ServerError.NoSuchThread, message: text });
      return;
    }
  }
  client.suspend();
  client.services.killer.forward(`KILL ${what} ${id}`, client.account, (err) => {
    if (err === null) client.sendOk();
    else client.sendErr(err);
    client.workDone();
  });
}

/** Bytes of an execute before the null bitmap: header, command, statement id, flags, iteration count. */
const EXECUTE_FIXED = 14;

const INTEGER_SIZES: Readonly<Record<number, number>> = { 1: 1, 2: 2, 3: 4, 8: 8, 9: 4 };

/** The only parameter of `KILL ?`, when the packet brings its type and it is an integer. */
function parameterOf(packet: Buffer): bigint | null {
  const isNull = ((packet[EXECUTE_FIXED] ?? 1) & 1) !== 0;
  const bound = packet[EXECUTE_FIXED + 1] === 1;
  const size = INTEGER_SIZES[packet[EXECUTE_FIXED + 2] ?? -1];
  const value = EXECUTE_FIXED + 4;
  if (isNull || !bound || size === undefined || packet.length < value + size) return null;
  return size === 8 ? packet.readBigUInt64LE(value) : BigInt(packet.readUIntLE(value, size));
}
