/** EMFILE and ENFILE: no descriptor is left, ours or the system's. */
const SHORTAGES: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOMEM'];

/**
 * Whether something could not be opened for want of means, and not because it is not there: then nothing is known of it, and it
 * is to be read again. That is no fault, and it passes: a proxy may have as many clients as it may have descriptors.
 */
export function isShortage(error: unknown): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false;
  // A thread that cannot be started has the cause in its text only.
  if (error.code === 'ERR_WORKER_INIT_FAILED')
    return SHORTAGES.some((code) => error.message.includes(`${code}`));
  return SHORTAGES.includes(error.code);
}
