import t from 'tap';
import { type Client, programPath, testClients } from './conformance.js';

function nodeClient(name: string, program: string, checks: number): Client {
  return {
    name,
    packages: name,
    prepare: async () => [process.execPath, '--enable-source-maps', programPath(program)],
    checks,
  };
}

await testClients(t, [
  nodeClient('mysql2', 'mysql2-client.js', 31),
  nodeClient('mariadb', 'mariadb-client.js', 32),
]);
