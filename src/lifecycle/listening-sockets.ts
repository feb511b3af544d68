import { parseListenAddress } from '../config/address.js';
import { type BoundSocket, bindSocket } from '../frontend/bound-socket.js';
import { CLIENT_SOCKET, HTTP_SOCKET, type InheritedSocket } from './inherited-sockets.js';
import type { Plan } from './messages.js';

/** The listening sockets of a plan, by role and configured address. */
export class ListeningSockets {
  readonly #sockets: ReadonlyMap<string, BoundSocket>;
  /** Sockets that somebody else has bound, in place of those of the plan. */
  readonly #inherited: readonly InheritedSocket[];

  private constructor(sockets: ReadonlyMap<string, BoundSocket>, inherited: readonly InheritedSocket[]) {
    this.#sockets = sockets;
    this.#inherited = inherited;
  }

  /** None is open but those that are inherited. */
  static inherited(inherited: readonly InheritedSocket[]): ListeningSockets {
    return new ListeningSockets(new Map(), inherited);
  }

  /** Those that there are already, and new ones. @throws ListenError, with none left open that is new */
  async next(plan: Plan): Promise<ListeningSockets> {
    if (this.#inherited.length > 0) return this;
    const bound = new Map<string, BoundSocket>();
    const wanted = [
      ...plan.listen.map((address) => ({ role: CLIENT_SOCKET, address })),
      ...(plan.http === null ? [] : [{ role: HTTP_SOCKET, address: plan.http }]),
    ];
    const access = {
      unixSocketMode: plan.unixSocketMode,
      unixSocketOwner: { uid: plan.unixSocketOwner, gid: plan.unixSocketGroup },
    };
    try {
      for (const [i, { role, address }] of wanted.entries()) {
        // Any free port may be asked for twice.
        const twin = wanted.slice(0, i).filter((one) => one.role === role && one.address === address).length;
        const key = `${role} ${address} ${twin}`;
        bound.set(key, this.#sockets.get(key) ?? (await bindSocket(parseListenAddress(address), access)));
      }
    } catch (error) {
      new ListeningSockets(bound, []).closeAllBut(this);
      throw error;
    }
    return new ListeningSockets(bound, []);
  }

  /** As they are passed on to a worker. */
  get passed(): readonly InheritedSocket[] {
    if (this.#inherited.length > 0) return this.#inherited;
    return [...this.#sockets].map(([key, { fd }]) => ({
      fd,
      name: key.startsWith(HTTP_SOCKET) ? HTTP_SOCKET : CLIENT_SOCKET,
    }));
  }

  closeAllBut(kept: ListeningSockets): void {
    for (const [key, socket] of this.#sockets) if (!kept.#sockets.has(key)) socket.close();
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
  }
}
