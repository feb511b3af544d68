import type { Settings } from '../config/load.js';
import { openFilesLimit, openFilesNeeded } from '../observability/open-files.js';
import { type Finding, ok, warn } from './finding.js';

const ABOUT = 'open files';

/** What is reckoned with where the server decides: its max_connections, unless somebody has changed it. */
const TYPICAL_SESSIONS = 151;

/** Whether the system gives this process as many files and sockets as it may need. @param limit null where it does not tell */
export function checkOpenFiles(
  { maxClientConn, poolSize }: Pick<Settings, 'maxClientConn' | 'poolSize'>,
  limit: number | null = openFilesLimit(),
): Finding {
  const needed = openFilesNeeded(maxClientConn, poolSize === 'auto' ? TYPICAL_SESSIONS : poolSize);
  const uses = `${needed} may be needed (max_client_conn ${maxClientConn}, pool_size ${poolSize})`;
  if (limit === null) {
    const advice = `See that it is at least ${needed}: ulimit -n`;
    return warn(ABOUT, `the system does not tell the limit, and ${uses}`, advice);
  }
  if (limit >= needed)
    return ok(ABOUT, `the limit is ${Number.isFinite(limit) ? limit : 'none'} here, and ${uses}`);
  return warn(
    ABOUT,
    `the limit is ${limit} here, and ${uses}: clients beyond it would be dropped silently`,
    `Raise it (ulimit -n ${needed}; for a service LimitNOFILE=${needed}), or lower max_client_conn`,
  );
}
