import t from 'tap';
import { testTlsModes } from './tls-modes.js';

await testTlsModes(t, 'mariadb');
