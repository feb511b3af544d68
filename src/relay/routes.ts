import type { ListenerAddress } from './connected-client.js';
import type { ServerRouter } from './server-router.js';
import type { Routing } from './session-checkout.js';

/** Clients of one named pool. */
export interface Route {
  readonly routing: Routing;
  readonly users: ReadonlySet<string>;
  /** Schemas, by the names of databases that clients log in with. */
  readonly databases: ReadonlyMap<string, string>;
  readonly listens: readonly ListenerAddress[];
}

/** Where a client goes, and the schema that it has there. */
export interface ChosenRoute {
  readonly routing: Routing;
  readonly schema: string | null;
}

/** Which named pool a client gets at its login: by the address it connects to, else its database, else its user. */
export class Routes {
  readonly router: ServerRouter;
  readonly #routes: readonly Route[];
  readonly #others: Routing;
  /** By the address, of which there is one object for each listener. */
  readonly #byListener = new WeakMap<ListenerAddress, { readonly route: Route | null }>();

  /** @param others - for whom no route is meant */
  constructor(routes: readonly Route[], others: Routing) {
    this.#routes = routes;
    this.#others = others;
    this.router = others.router;
  }

  of(user: string, schema: string | null, listener: ListenerAddress): ChosenRoute {
    const byDatabase =
      schema === null ? undefined : this.#routes.find(({ databases }) => databases.has(schema));
    const route = this.#heardOn(listener) ?? byDatabase ?? this.#routes.find(({ users }) => users.has(user));
    const meant = schema === null ? null : (byDatabase?.databases.get(schema) ?? schema);
    return { routing: route?.routing ?? this.#others, schema: meant };
  }

  #heardOn(listener: ListenerAddress): Route | null {
    let known = this.#byListener.get(listener);
    if (known === undefined) {
      const route = this.#routes.find(({ listens }) => listens.some((one) => isSame(one, listener)));
      known = { route: route ?? null };
      this.#byListener.set(listener, known);
    }
    return known.route;
  }
}

/** A socket that was passed on tells its address, and not the name that it was opened with. */
function isSame(given: ListenerAddress, listener: ListenerAddress): boolean {
  if (given.kind === 'unix') return listener.kind === 'unix' && given.path === listener.path;
  if (listener.kind === 'unix' || given.port !== listener.port) return false;
  return given.host === listener.host || !/^[\d.]+$|:/.test(given.host);
}
