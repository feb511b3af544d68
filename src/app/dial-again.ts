import type { ServerAccount } from '../backend/upstream.js';
import type { RelayServices } from '../relay/relay-services.js';

/** The account has another password, or is let in again: nobody is to wait for a pause after logins that were refused. */
export function dialAgain({ pools, servers }: RelayServices, account: ServerAccount): void {
  pools.retryDials((target) => target.account === account);
  servers.retry(account);
}
