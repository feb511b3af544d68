/** Far longer than anything takes that a test waits for, and less than any SLEEP() that it looks for, in ms. */
export const PATIENCE_MS = 40_000;

/** Of drivers, which give a login up after 10 s by themselves: a machine may be that busy. In ms. */
export const CONNECT_WITHIN_MS = 60_000;
