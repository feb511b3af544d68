import type { ClientRegistry } from '../relay/client-registry.js';

/** Clients by what they are doing. `login`: not logged in yet. */
export interface ClientStates {
  readonly active: number;
  readonly waiting: number;
  readonly held: number;
  readonly idle: number;
  readonly login: number;
}

export function clientStates(clients: ClientRegistry, loggingIn: number): ClientStates {
  const counts = { active: 0, waiting: 0, held: 0, idle: 0, login: loggingIn };
  for (const { state } of clients) counts[state]++;
  return counts;
}
