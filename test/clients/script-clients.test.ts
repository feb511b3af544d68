import t from 'tap';
import { type Client, type Command, scriptPath, succeeds, testClients } from './conformance.js';

interface Interpreted {
  readonly name: string;
  readonly packages: string;
  /** Tried in this order: an interpreter that is not the distribution's own may lack its modules. */
  readonly interpreters: readonly string[];
  /** Succeeds when the client library is there. */
  readonly probe: readonly string[];
  readonly script: readonly string[];
  readonly checks: number;
}

function interpreted({ name, packages, interpreters, probe, script, checks }: Interpreted): Client {
  return {
    name,
    packages,
    checks,
    prepare: async (): Promise<Command | null> => {
      for (const interpreter of interpreters) {
        if (await succeeds([interpreter, ...probe])) {
          return [interpreter, ...script.map((word) => (/\.\w+$/.test(word) ? scriptPath(word) : word))];
        }
      }
      return null;
    },
  };
}

const python = (name: string, module: string, packages: string, checks: number) =>
  interpreted({
    name,
    packages,
    interpreters: ['/usr/bin/python3', 'python3'],
    probe: ['-c', `import ${module}`],
    script: ['python-client.py', module.toLowerCase()],
    checks,
  });

const php = (name: string, extension: string, script: readonly string[], checks: number) =>
  interpreted({
    name,
    packages: 'php-cli php-mysql',
    interpreters: ['php'],
    probe: ['-r', `exit(extension_loaded('${extension}') ? 0 : 1);`],
    script,
    checks,
  });

const perl = (driver: string, packages: string, checks: number) =>
  interpreted({
    name: `DBD::${driver}`,
    packages,
    interpreters: ['/usr/bin/perl', 'perl'],
    probe: [`-MDBD::${driver}`, '-e', '1'],
    script: ['perl-client.pl', driver],
    checks,
  });

await testClients(t, [
  python('PyMySQL', 'pymysql', 'python3-pymysql python3-cryptography', 26),
  python('mysqlclient', 'MySQLdb', 'python3-mysqldb', 27),
  php('PHP mysqli', 'mysqli', ['-d', 'mysqli.allow_local_infile=1', 'php-mysqli.php'], 31),
  php('PHP PDO with emulated prepares', 'pdo_mysql', ['php-pdo.php', 'emulated'], 27),
  php('PHP PDO with native prepares', 'pdo_mysql', ['php-pdo.php', 'native'], 27),
  perl('mysql', 'libdbd-mysql-perl', 29),
  perl('MariaDB', 'libdbd-mariadb-perl', 26),
  interpreted({
    name: 'Ruby mysql2',
    packages: 'ruby-mysql2',
    interpreters: ['/usr/bin/ruby', 'ruby'],
    probe: ['-rmysql2', '-e', '1'],
    script: ['ruby-client.rb'],
    checks: 28,
  }),
]);
