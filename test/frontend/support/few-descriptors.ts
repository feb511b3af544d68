/** A frontend of its own process, to be run with hardly any file descriptors. Tells its port. */
import { Frontend } from '../../../src/frontend/frontend.js';
import { PasswordHasher } from '../../../src/frontend/password-hasher.js';
import { RsaKeys } from '../../../src/frontend/rsa-keys.js';
import { LocalUsers } from '../../../src/frontend/users.js';
import { MARIADB, serve, USERS } from './harness.js';

const silent = (): void => undefined;
const frontend = new Frontend({
  listen: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }],
  unixSocketMode: 0o777,
  maxClients: 1_000,
  maxClientsReason: 'max_client_conn is 1000',
  loginTimeoutMs: 30_000,
  users: new LocalUsers(USERS, new PasswordHasher()),
  keys: new RsaKeys(),
  tls: null,
  tlsRequired: false,
  log: { debug: silent, warn: silent, error: silent },
  serverInfo: () => MARIADB,
  whenServerKnown: () => Promise.resolve(MARIADB),
  nextConnectionId: () => 1,
  onLogin: (login) => serve(login),
});
await frontend.start();
const [address] = frontend.addresses;
process.stdout.write(`port ${address?.kind === 'tcp' ? address.port : 0}`);
// Ends with whoever started it.
process.stdin.resume().on('end', () => process.exit(0));
