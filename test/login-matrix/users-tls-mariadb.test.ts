import t from 'tap';
import { TLS, testMatrix } from './run-matrix.js';
import { TRANSPORTS } from './world.js';

await testMatrix(t, {
  flavor: 'mariadb',
  byChange: false,
  // Where it makes a difference.
  transports: TRANSPORTS.filter((name) => name === 'network'),
  stations: async (world) => [await world.users()],
  tlsRows: () => [TLS],
});
