/** The number of the worker that does what is to be done once for all of them. */
export const LEADER = 1;
