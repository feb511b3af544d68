import t from 'tap';
import { NO_TLS, testMatrix } from './run-matrix.js';

await testMatrix(t, {
  flavor: 'mysql',
  byChange: false,
  stations: async (world) => [await world.users()],
  tlsRows: () => [NO_TLS],
});
