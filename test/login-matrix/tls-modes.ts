import type { Test } from 'tap';
import type { Flavor } from '../support/servers.js';
import { testMatrix, tlsRows } from './run-matrix.js';

/** Every way to use TLS, or not, with the modes that refuse some. */
export function testTlsModes(t: Test, flavor: Flavor): Promise<void> {
  return testMatrix(t, {
    flavor,
    byChange: false,
    stations: async (world, { ca }) => [
      await world.plain('disable'),
      await world.plain('require'),
      await world.plain('verify', { tls_client_ca: ca }),
    ],
    tlsRows,
    // To TLS it makes no difference whether TCP is loopback.
    transports: ['loopback', 'unix'],
  });
}
