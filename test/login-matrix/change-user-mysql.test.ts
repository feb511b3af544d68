import t from 'tap';
import { NO_TLS, testMatrix } from './run-matrix.js';

await testMatrix(t, {
  flavor: 'mysql',
  byChange: true,
  stations: async (world) => [await world.plain(), await world.users()],
  tlsRows: () => [NO_TLS],
});
