import type { ServerSession } from '../backend/server-session.js';
import type { ServerHint } from '../servers/statement-outcome.js';

/** A command that its server has refused before it did anything; its client waits, and has no session. */
export interface RefusedCommand {
  /** When it was refused first, by the process's clock, in ms. */
  readonly since: number;
  /** It has been run once more already, and was refused again. */
  readonly isSecond: boolean;
  /** `elsewhere`: it is to be run once more, on whichever session it gets; else its client is told what the server has said. */
  known(elsewhere: boolean): void;
}

/** Who hears what replies tell of a server, and knows whether there is a better one. */
export interface ServerHints {
  /**
   * The server of `session` has answered a command with an error that is not the command's own fault. To be called before the
   * session is given back. `refused`: where the command may be run on another session; null where it may not.
   * @returns whether to wait: then `refused.known` is called, later, and once. Else there is no hope, or none any more
   */
  told(session: ServerSession, hint: ServerHint, refused: RefusedCommand | null): boolean;
}
