/** Why a client's connection ended: a word for the log. Others than these name what was exceeded. */
export const Departure = {
  /** COM_QUIT. */
  Quit: 'quit',
  /** The client, or the way to it, has gone: many programs end so. */
  Gone: 'client closed the connection',
  /** COMMIT RELEASE, ROLLBACK RELEASE. */
  Released: 'its statement ended the connection',
  Drained: 'closed between commands: the proxy drains',
  Shutdown: 'shutdown',
  LoginRefused: 'login refused',
  ChangeRefused: 'change of user refused',
  Killed: 'killed',
  KilledItself: 'killed by itself',
  SharedSocket: 'two processes used the connection',
  PacketTooLarge: 'packet too large',
  PacketTooLargeForServer: 'packet too large for the server',
  LongCommand: 'a command was too long',
  LostInReply: 'the server session was lost in the middle of a reply',
  EndedEarly: 'the server ended a command before it was sent whole',
} as const;

/** Ends that nobody has to look into; what ends all clients at once is told in a line of its own. */
const ORDINARY: ReadonlySet<string> = new Set([
  Departure.Quit,
  Departure.Gone,
  Departure.Released,
  Departure.Drained,
  Departure.Shutdown,
]);

export function isOrdinary(departure: string): boolean {
  return ORDINARY.has(departure);
}
