import t from 'tap';
import { NO_TLS, TLS, testMatrix } from './run-matrix.js';

await testMatrix(t, {
  flavor: 'mariadb',
  byChange: false,
  stations: async (world) => [await world.passThrough()],
  tlsRows: () => [NO_TLS, TLS],
});
