/** Of a server's greeting. */
interface GreetedServer {
  readonly flavor: 'mariadb' | 'mysql';
  readonly versionText: string;
}

/**
 * What several servers must have in common, since a client's state, and what it was greeted with, go from one to another. The first that
 * is found decides; it is not asked again whether it is the right one, so that no client's server becomes another kind of one.
 */
export class ServerKind {
  #first: GreetedServer | null = null;

  /** Whether clients of the others can be served by this one. */
  suits(server: GreetedServer): boolean {
    this.#first ??= server;
    return server.flavor === this.#first.flavor;
  }

  /** As `SELECT VERSION()` has it; null until one is found. */
  get version(): string | null {
    return this.#first?.versionText ?? null;
  }
}
