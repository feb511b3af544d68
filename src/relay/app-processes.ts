import { AppProcess } from '../pool/app-process.js';
import type { ConnectedClient } from './connected-client.js';

/** Characters taken of each thing that a client says of itself. */
const MAX_WORD = 64;

interface Entry {
  readonly process: AppProcess;
  clients: number;
}

/**
 * The processes that clients belong to: by the `_pid` of their connect attributes together with where they connect from.
 * Clients that tell no pid belong to one process for each peer address, those of the unix socket to one. It is only as true
 * as what clients say, and decides on nothing but turns.
 */
export class AppProcesses {
  readonly #entries = new Map<string, Entry>();

  /** How many processes have clients. */
  get size(): number {
    return this.#entries.size;
  }

  /** A client has come. Each call is to be followed by one of {@link leave}. */
  enter(client: Pick<ConnectedClient, 'attributes' | 'remote'>): AppProcess {
    const label = describe(client);
    let entry = this.#entries.get(label);
    if (entry === undefined) {
      entry = { process: new AppProcess(label), clients: 0 };
      this.#entries.set(label, entry);
    }
    entry.clients++;
    return entry.process;
  }

  /** The client has gone. */
  leave(process: AppProcess): void {
    const entry = this.#entries.get(process.label);
    if (entry?.process === process && --entry.clients === 0) this.#entries.delete(process.label);
  }
}

function describe({ attributes, remote }: Pick<ConnectedClient, 'attributes' | 'remote'>): string {
  const peer = remote.kind === 'tcp' ? remote.address : 'the unix socket';
  const pid = attributes.get('_pid')?.slice(0, MAX_WORD);
  if (pid === undefined || pid === '') return `clients at ${peer}`;
  // Behind an address translator, pids of several hosts meet.
  const host = attributes.get('_source_host')?.slice(0, MAX_WORD);
  return host === undefined || host === '' ? `pid ${pid} at ${peer}` : `pid ${pid} of ${host} at ${peer}`;
}
