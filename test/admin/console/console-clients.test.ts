import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createConnection } from 'mariadb';
import t, { type Test } from 'tap';
import type { ProxiedUser } from '../../support/proxied-user.js';
import { forEachServer, mysqlClientCommand } from '../../support/servers.js';
import { ADMIN, administered } from './support/administered.js';

const run = promisify(execFile);

const PYTHON = `
import sys
module, host, port, user, password = sys.argv[1:]
driver = __import__(module)
connection = driver.connect(host=host, port=int(port), user=user, password=password, database='mybouncer')
cursor = connection.cursor()
cursor.execute('SHOW CLIENTS')
names = [column[0] for column in cursor.description]
assert names[:2] == ['id', 'user'], names
cursor.execute('SHOW USERS')
print(sorted(row[0] for row in cursor.fetchall())[0])
connection.commit()
connection.close()
`;

const PHP = `
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
[, $host, $port, $user, $password] = $argv;
$connection = new mysqli($host, $user, $password, 'mybouncer', (int)$port);
$connection->set_charset('utf8mb4');
$rows = $connection->query('SHOW USERS')->fetch_all(MYSQLI_ASSOC);
sort($rows);
echo $rows[0]['name'], PHP_EOL;
`;

interface Program {
  readonly name: string;
  readonly packages: string;
  /** Null where it is not installed. It prints the first user's name. */
  command(login: Login): Promise<readonly string[] | null>;
}

interface Login {
  readonly host: string;
  readonly port: string;
  readonly user: string;
  readonly password: string;
}

const commandLine = (
  program: readonly string[],
  { host, port, user, password }: Login,
): readonly string[] => [
  ...program,
  `--host=${host}`,
  `--port=${port}`,
  `--user=${user}`,
  `--password=${password}`,
  '--batch',
  '--skip-column-names',
  '--database=mybouncer',
  '--execute=SHOW USERS',
];

async function works(program: string, ...args: string[]): Promise<boolean> {
  return run(program, args).then(
    () => true,
    () => false,
  );
}

const python = (name: string, module: string, packages: string): Program => ({
  name,
  packages,
  command: async ({ host, port, user, password }) =>
    (await works('/usr/bin/python3', '-c', `import ${module}`))
      ? ['/usr/bin/python3', '-c', PYTHON, module, host, port, user, password]
      : null,
});

const PROGRAMS: readonly Program[] = [
  {
    name: 'the mariadb command line',
    packages: 'mariadb-client',
    command: async (login) =>
      (await works('mariadb', '--version')) ? commandLine(['mariadb'], login) : null,
  },
  {
    name: 'the mysql command line',
    packages: "MySQL's own client with .ci/install as root",
    command: async (login) => {
      const command = await mysqlClientCommand();
      return command === null ? null : commandLine(command, login);
    },
  },
  python('PyMySQL', 'pymysql', 'python3-pymysql'),
  python('mysqlclient', 'MySQLdb', 'python3-mysqldb'),
  {
    name: 'PHP',
    packages: 'php-cli php-mysql',
    command: async ({ host, port, user, password }) =>
      (await works('php', '-r', "exit(extension_loaded('mysqli') ? 0 : 1);"))
        ? ['php', '-r', PHP, '--', host, port, user, password]
        : null,
  },
];

await forEachServer(t, async (t, server) => {
  const world = await administered(t, server);
  const { hostname: host, port } = new URL(world.proxy.url);
  const names = [ADMIN.user, world.user.user].sort();
  for (const { name, packages, command } of PROGRAMS) {
    await t.test(name, async (t) => {
      const [program, ...args] = (await command({ host, port, ...ADMIN })) ?? [];
      if (program === undefined) {
        if (process.env['CI'] === 'true') throw new Error(`${name} is not here: install ${packages}`);
        t.pass('not installed', { skip: `install ${packages}` });
        return;
      }
      const { stdout } = await run(program, args);
      t.match(stdout, names[0] as string);
    });
  }
  await t.test('mariadb (npm)', (t) => connector(t, world, names));
});

async function connector(t: Test, world: ProxiedUser, names: readonly string[]): Promise<void> {
  const { hostname: host, port } = new URL(world.proxy.url);
  const connection = await createConnection({ host, port: Number(port), ...ADMIN, database: 'mybouncer' });
  const rows = (await connection.query('SHOW USERS')) as { name: string }[];
  t.strictSame(rows.map(({ name }) => name).sort(), names);
  await connection.end();
}
