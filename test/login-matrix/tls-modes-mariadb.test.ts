import t from 'tap';
import { testMatrix, tlsRows } from './run-matrix.js';

await testMatrix(t, {
  flavor: 'mariadb',
  byChange: false,
  stations: async (world, { ca }) => [
    await world.plain('disable'),
    await world.plain('require'),
    await world.plain('verify', { tls_client_ca: ca }),
  ],
  tlsRows: tlsRows,
  // To TLS it makes no difference whether TCP is loopback.
  transports: ['loopback', 'unix'],
});
