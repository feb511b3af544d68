import t from 'tap';
import { mysqlClientCommand } from '../support/servers.js';
import { type Client, type Command, programPath, succeeds, testClients } from './conformance.js';

const checked = (command: Command): Command => [
  process.execPath,
  '--enable-source-maps',
  programPath('cli-client.js'),
  ...command,
];

const mariadb: Client = {
  name: 'the mariadb command line',
  packages: 'mariadb-client',
  checks: 26,
  prepare: async () => ((await succeeds(['mariadb', '--version'])) ? checked(['mariadb']) : null),
};

const mysql: Client = {
  name: 'the mysql command line',
  packages: "MySQL's own client with .ci/install as root",
  checks: 26,
  prepare: async () => {
    const command = await mysqlClientCommand();
    return command === null ? null : checked(command);
  },
};

await testClients(t, [mariadb, mysql]);
