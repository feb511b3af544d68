import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { build, type Client, scriptPath, succeeds, testClients } from './conformance.js';

const CONNECTOR_J = '/usr/share/java/mariadb-java-client.jar';
const GO_DRIVER = 'github.com/go-sql-driver/mysql';

const go: Client = {
  name: 'go-sql-driver',
  packages: 'golang-go golang-github-go-sql-driver-mysql-dev',
  checks: 31,
  prepare: async (folder) => {
    // From the distribution's sources alone: no module, and no proxy of modules, is asked for.
    const env = {
      GO111MODULE: 'off',
      GOPATH: '/usr/share/gocode',
      GOFLAGS: '',
      GOCACHE: join(folder, 'go-cache'),
    };
    if (!(await succeeds(['go', 'list', GO_DRIVER], env))) return null;
    const program = join(folder, 'go-client');
    await build(['go', 'build', '-o', program, scriptPath('go-client.go')], env);
    return [program];
  },
};

let compiledJava: Promise<void> | null = null;

function java(name: string, prepares: 'text' | 'binary'): Client {
  return {
    name,
    packages: 'default-jdk-headless libmariadb-java',
    checks: 30,
    prepare: async (folder) => {
      if (!existsSync(CONNECTOR_J) || !(await succeeds(['javac', '-version']))) return null;
      const classes = join(folder, 'java');
      compiledJava ??= build([
        'javac',
        '-encoding',
        'UTF-8',
        '-cp',
        CONNECTOR_J,
        '-d',
        classes,
        scriptPath('java-client.java'),
      ]);
      await compiledJava;
      return ['java', '-Dfile.encoding=UTF-8', '-cp', `${classes}:${CONNECTOR_J}`, 'JavaClient', prepares];
    },
  };
}

await testClients(t, [
  go,
  java('MariaDB Connector/J with client-side prepares', 'text'),
  java('MariaDB Connector/J with server-side prepares', 'binary'),
]);
