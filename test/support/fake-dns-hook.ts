import { readFileSync } from 'node:fs';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { isIP } from 'node:net';

/*
 * Loaded into a proxy before anything else: a name means what a file says, read at each question. It has a line for each name,
 * with its addresses behind it; others are not known.
 */

const dns = createRequire(import.meta.url)('node:dns/promises') as {
  lookup: (name: string, options: unknown) => unknown;
  Resolver: { prototype: { resolve4: unknown; resolve6: unknown } };
};

function addressesOf(name: string): readonly string[] {
  const lines = readFileSync(process.env['TEST_DNS_FILE'] ?? '', 'utf8').split('\n');
  const [, ...addresses] = lines.map((line) => line.split(' ')).find(([of]) => of === name) ?? [];
  if (addresses.length === 0) throw new Error(`getaddrinfo ENOTFOUND ${name}`);
  return addresses;
}

const { lookup } = dns;

// An address to listen on stands for itself.
dns.lookup = async (name, options) =>
  isIP(name) === 0 ? addressesOf(name).map((address) => ({ address, family: 4 })) : lookup(name, options);
dns.Resolver.prototype.resolve4 = async (name: string) =>
  addressesOf(name).map((address) => ({ address, ttl: 0 }));
dns.Resolver.prototype.resolve6 = async () => [];
syncBuiltinESMExports();
