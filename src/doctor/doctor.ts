import { formatAddress } from '../config/address.js';
import { type Config, completeConfig, type Settings } from '../config/load.js';
import { checkAddresses } from './addresses.js';
import { checkClientTls } from './client-tls.js';
import { count, type Finding, ok } from './finding.js';
import { checkForkGuard } from './fork-guard.js';
import { checkOpenFiles } from './open-files.js';
import { checkServer } from './server.js';
import { ServerSite } from './server-site.js';

/**
 * Looks whether the proxy would work here: at the server, its accounts, this machine. Nothing is changed anywhere; a statement
 * of its own is killed on the server.
 */
export async function examine(settings: Settings): Promise<readonly Finding[]> {
  const { upstream } = settings;
  const site = upstream === null ? null : new ServerSite(completeConfig(settings, upstream));
  return [
    site === null ? sandboxFinding() : configurationFinding(site.config, site),
    ...(site === null ? [] : await checkServer(site)),
    checkForkGuard(settings),
    checkOpenFiles(settings),
    checkClientTls(settings),
    ...(await checkAddresses(settings)),
  ];
}

function configurationFinding(config: Config, site: ServerSite): Finding {
  const { listen, users, poolSize } = config;
  const clients = `${count(users.length, 'user')} may log in at ${listen.map(formatAddress).join(', ')}`;
  const sessions =
    poolSize === 'auto' ? 'as many sessions as it has room for' : `${count(poolSize, 'session')} at most`;
  const server = `${sessions} on ${site.address}, of ${count(site.accounts.length, 'account')}`;
  return ok('configuration', `no mistakes: ${clients}; ${server}`);
}

function sandboxFinding(): Finding {
  return ok(
    'configuration',
    'no mistakes; no upstream is set, so a sandbox would be started, and no server is looked at',
  );
}
