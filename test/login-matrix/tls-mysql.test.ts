import t from 'tap';
import { testMatrix, tlsRows } from './run-matrix.js';

await testMatrix(t, {
  flavor: 'mysql',
  byChange: false,
  stations: async (world) => [await world.plain()],
  tlsRows: tlsRows,
});
