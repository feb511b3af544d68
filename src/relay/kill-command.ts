import type { ServerAccount } from '../backend/upstream.js';
import { ServerError } from '../protocol/constants.js';
import type { ErrPacket } from '../protocol/generic-response.js';
import type { KillTarget } from '../sql/traits.js';
import { clientError } from './client-errors.js';
import { isVirtualId, type RegisteredClient } from './client-registry.js';
import { Departure } from './departure.js';
import type { KillOutcome } from './other-workers.js';
import type { RelayServices } from './relay-services.js';
import type { Server } from './server.js';

/** The client that says KILL. */
export interface KillClient {
  readonly connectionId: number;
  readonly userName: string;
  readonly services: RelayServices;
  readonly account: ServerAccount;
  /** On which it runs, or ran last: to which an id belongs that is not the proxy's. */
  readonly server: Server;
  /** The next command waits until {@link workDone}. */
  suspend(): void;
  workDone(): void;
  sendOk(): void;
  sendErr(err: ErrPacket): void;
  end(departure: string): void;
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
  const target = targetOf(client, id, true);
  if (target === null) return;
  if (target.connectionId === client.connectionId) {
    client.sendErr({ ...ServerError.QueryInterrupted, message: 'Query execution was interrupted' });
    client.end(Departure.KilledItself);
    return;
  }
  tell(client, target, false);
  target.killConnection();
  client.sendOk();
}

function killQuery(client: KillClient, id: bigint): void {
  if (!isVirtualId(Number(id))) {
    forward(client, 'QUERY', id);
    return;
  }
  const target = targetOf(client, id, false);
  if (target === null) return;
  tell(client, target, true);
  client.suspend();
  target.killQuery((error) => {
    if (error === null) client.sendOk();
    else client.sendErr(clientError(ServerError.UnknownError, error.message));
    client.workDone();
  });
}

function tell(by: KillClient, target: RegisteredClient, statement: boolean): void {
  told(by, target.connectionId, target.userName, statement);
}

function told(by: KillClient, id: number, user: string, statement: boolean): void {
  const kill = { client: id, user, by: by.connectionId };
  by.services.observer.killed?.(kill, statement);
}

/** The client with this id, if it is here and of the same user; else the client is told what became of the KILL. */
function targetOf(client: KillClient, id: bigint, connection: boolean): RegisteredClient | null {
  const { clients, others } = client.services;
  const target = clients.get(Number(id));
  if (target?.userName === client.userName) return target;
  if (target !== undefined || others === null) {
    answer(client, id, { kind: target === undefined ? 'unknown' : 'not_owner' });
    return null;
  }
  client.suspend();
  void others.kill({ id: Number(id), connection, userName: client.userName }).then((outcome) => {
    if (outcome.kind === 'killed') told(client, Number(id), client.userName, !connection);
    answer(client, id, outcome);
    client.workDone();
  });
  return null;
}

/** In the servers' words. */
function answer(client: KillClient, id: bigint, outcome: KillOutcome): void {
  switch (outcome.kind) {
    case 'killed':
      client.sendOk();
      break;
    case 'unknown':
      client.sendErr({ ...ServerError.NoSuchThread, message: `Unknown thread id: ${id}` });
      break;
    case 'not_owner':
      client.sendErr({ ...ServerError.KillDenied, message: `You are not owner of thread ${id}` });
      break;
    case 'failed':
      client.sendErr(clientError(ServerError.UnknownError, outcome.message));
  }
}

/**
 * An id of the server's own. One of the proxy's sessions is refused: whoever has it at this moment is not whom the
 * client saw there.
 */
function forward(client: KillClient, what: 'CONNECTION' | 'QUERY', id: bigint): void {
  const { pools, others } = client.services;
  for (const { session } of pools.sessions()) {
    if (BigInt(session.connectionId) === id) {
      refuseSession(client, id);
      return;
    }
  }
  client.suspend();
  if (others === null) {
    forwardNow(client, what, id);
    return;
  }
  void others.hasSession(id).then((isOurs) => {
    if (!isOurs) {
      forwardNow(client, what, id);
      return;
    }
    refuseSession(client, id);
    client.workDone();
  });
}

function refuseSession(client: KillClient, id: bigint): void {
  const text = `Unknown thread id: ${id} (a server session of mybouncer's: kill the client by the id it was given)`;
  client.sendErr({ ...ServerError.NoSuchThread, message: text });
}

/** It is suspended. */
function forwardNow(client: KillClient, what: 'CONNECTION' | 'QUERY', id: bigint): void {
  client.services.servers.here(client.server).killer.forward(`KILL ${what} ${id}`, client.account, (err) => {
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
