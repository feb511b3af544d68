import { formatAddress } from '../config/address.js';
import { type Config, completeConfig, type Settings } from '../config/load.js';
import { addressName, areSeveral, type ServerEntry } from '../config/servers.js';
import { resolveName } from '../servers/name-addresses.js';
import { checkAddresses } from './addresses.js';
import { checkClientTls } from './client-tls.js';
import { count, type Finding, fail, ok } from './finding.js';
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
    ...(site === null ? [] : await checkServers(settings, site)),
    checkForkGuard(settings),
    checkOpenFiles(settings),
    checkClientTls(settings),
    ...(await checkAddresses(settings)),
  ];
}

/** Of several servers each by itself: accounts and rights may have come to some of them only. */
async function checkServers({ servers }: Settings, site: ServerSite): Promise<readonly Finding[]> {
  if (!areSeveral(servers)) return checkServer(site);
  const findings: Finding[] = [];
  for (const entry of servers) {
    const addresses = await addressesOf(entry);
    if (!Array.isArray(addresses)) findings.push(addresses);
    else
      for (const { name, address } of addresses) {
        const upstream = { ...site.config.upstream, address };
        const found = await checkServer(new ServerSite({ ...site.config, upstream }));
        findings.push(...found.map((one) => ({ ...one, about: `${name}: ${one.about}` })));
      }
  }
  return findings;
}

/** The servers that an entry stands for now, or why there are none. */
async function addressesOf({
  name,
  addresses,
  address,
}: ServerEntry): Promise<Pick<ServerEntry, 'name' | 'address'>[] | Finding> {
  if (addresses === 'one' || address.kind !== 'tcp') return [{ name, address }];
  const { host: of, port } = address;
  try {
    const found = await resolveName(of);
    return found.addresses.map((host) => {
      const at = { kind: 'tcp', host, port, name: of } as const;
      return { name: addressName(name, address, at), address: at };
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail(`${name}: name`, `cannot be resolved: ${why}`, 'Clients would wait until it can be');
  }
}

function configurationFinding(config: Config, site: ServerSite): Finding {
  const { listen, users, poolSize } = config;
  const clients = `${count(users.length, 'user')} may log in at ${listen.map(formatAddress).join(', ')}`;
  const sessions =
    poolSize === 'auto' ? 'as many sessions as it has room for' : `${count(poolSize, 'session')} at most`;
  const { servers } = config;
  const where = !areSeveral(servers) ? site.address : `each of ${servers.map(({ name }) => name).join(', ')}`;
  const server = `${sessions} on ${where}, of ${count(site.accounts.length, 'account')}`;
  return ok('configuration', `no mistakes: ${clients}; ${server}`);
}

function sandboxFinding(): Finding {
  return ok(
    'configuration',
    'no mistakes; no upstream is set, so a sandbox would be started, and no server is looked at',
  );
}
