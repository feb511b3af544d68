import { AuthPlugin } from '../protocol/auth-packets.js';
import { Capability, Status } from '../protocol/constants.js';
import { CLIENT_CAPABILITIES } from '../protocol/handshake-capabilities.js';
import { GreetingTemplate } from '../protocol/handshake-greeting.js';
import type { ServerInfo } from '../session/server-info.js';

/** The method that clients of such a server expect to begin with. */
export function announcedPlugin(server: ServerInfo): AuthPlugin {
  return server.flavor === 'mariadb' ? AuthPlugin.Native : AuthPlugin.CachingSha2;
}

/** Greets clients in the real server's name. The packet is encoded once for as long as the same `ServerInfo` is given. */
export class Greeter {
  readonly #capabilities: number;
  #server: ServerInfo | null = null;
  #template: GreetingTemplate | null = null;

  /** @param offersTls clients may ask for it */
  constructor(offersTls: boolean) {
    this.#capabilities = (offersTls ? CLIENT_CAPABILITIES | Capability.Ssl : CLIENT_CAPABILITIES) >>> 0;
  }

  packet(server: ServerInfo, connectionId: number, scramble: Buffer): Buffer {
    if (this.#template === null || this.#server !== server) {
      this.#server = server;
      this.#template = new GreetingTemplate({
        versionText: server.versionText,
        capabilities: this.#capabilities,
        collation: server.collation,
        status: Status.Autocommit,
        plugin: announcedPlugin(server),
      });
    }
    return this.#template.packet(connectionId, scramble);
  }
}
