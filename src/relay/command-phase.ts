/** How far a client's command is. */
export const Phase = {
  Idle: 0,
  Waiting: 1,
  Restoring: 2,
  Running: 3,
  Settling: 4,
  Gone: 5,
  Learning: 6,
  /** The server has refused the command for what it is: it may be run elsewhere. */
  Refused: 7,
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];
