/** Real clients, each reduced to one question: who may log in, and if not, with which error number? */
import { execFile } from 'node:child_process';
import mariadb from 'mariadb';
import mysql from 'mysql2/promise';
import { mysqlClientCommand, newMariadbClientCommand } from '../../support/server-programs.js';

export interface Target {
  readonly user: string;
  readonly password: string;
  /** One of the two. */
  readonly port?: number;
  readonly socketPath?: string;
  /** 127.0.0.1 unless given. */
  readonly host?: string;
  /** Wants TLS, whoever vouches for the certificate. */
  readonly tls?: true;
}

export interface RealClient {
  readonly name: string;
  /** null when it is there, else what is missing. */
  missing(): Promise<string | null>;
  /** Logs in, talks, leaves: `ok`, or the error number and text. */
  login(target: Target): Promise<string>;
  /** Logs in as one user, becomes another by COM_CHANGE_USER, talks: as above. */
  change?(from: Target, to: Target): Promise<string>;
}

interface Finished {
  readonly code: number;
  readonly output: string;
}

function run(command: string, args: readonly string[], env: Record<string, string> = {}): Promise<Finished> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, LC_ALL: 'C.UTF-8', ...env } };
    execFile(command, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
      resolve({ code, output: `${stdout}${stderr}`.trim() });
    });
  });
}

/** Missing when the command fails. */
async function probe(what: string, command: string, args: readonly string[]): Promise<string | null> {
  return (await run(command, args)).code === 0 ? null : what;
}

function asText(error: unknown): string {
  if (!(error instanceof Error) || !('errno' in error)) throw error;
  return `${String(error.errno)} ${error.message}`;
}

/** A connection of one of the npm drivers. */
interface Connection {
  ping(): Promise<void>;
  changeUser(to: { user: string; password: string }): Promise<void>;
  end(): Promise<void>;
  destroy(): void;
}

type Where = ({ host: string; port: number } | { socketPath: string }) & {
  readonly ssl?: { rejectUnauthorized: boolean };
};

function whereOf({ port, socketPath, host = '127.0.0.1', tls }: Target): Where {
  const secured = tls === true ? { ssl: { rejectUnauthorized: false } } : {};
  return socketPath === undefined ? { host, port: port ?? 0, ...secured } : { socketPath, ...secured };
}

/** A driver for Node: nothing is missing. @param open - the second way is for who is to become another user */
function nodeClient(
  name: string,
  open: (target: Target & { where: Where }) => Promise<Connection>,
  openToChange = open,
): RealClient {
  return {
    name,
    missing: () => Promise.resolve(null),
    async login(target) {
      try {
        const connection = await open({ ...target, where: whereOf(target) });
        await connection.ping();
        await connection.end();
        return 'ok';
      } catch (error) {
        return asText(error);
      }
    },
    async change(from, to) {
      const connection = await openToChange({ ...from, where: whereOf(from) });
      try {
        await connection.changeUser({ user: to.user, password: to.password });
        await connection.ping();
        return 'ok';
      } catch (error) {
        return asText(error);
      } finally {
        connection.destroy();
      }
    },
  };
}

const mysql2 = nodeClient('mysql2', ({ where, user, password }) =>
  mysql.createConnection({ ...where, user, password }),
);

/** Its own default is one second, which a busy machine may take. */
const PATIENCE_MS = 20_000;

const mariadbNode = nodeClient(
  'mariadb (npm)',
  ({ where, user, password }) =>
    mariadb.createConnection({
      ...where,
      user,
      password,
      allowPublicKeyRetrieval: true,
      connectTimeout: PATIENCE_MS,
    }),
  // Without a schema it leaves out a field of COM_CHANGE_USER, which the servers stumble over as well.
  ({ where, user, password }) =>
    mariadb.createConnection({ ...where, user, password, database: 'shop', connectTimeout: PATIENCE_MS }),
);

function cliArguments({ user, port, socketPath, host = '127.0.0.1' }: Target): string[] {
  const where =
    socketPath === undefined
      ? ['--protocol=tcp', `--host=${host}`, `--port=${port}`]
      : ['--protocol=socket', `--socket=${socketPath}`];
  return [...where, `--user=${user}`, '--default-character-set=utf8mb4', '--execute=DO 1'];
}

function cliResult({ code, output }: Finished): string {
  return code === 0 ? 'ok' : output.replace(/^ERROR (\d+) \([^)]*\): /m, '$1 ');
}

const mariadbCli: RealClient = {
  name: 'mariadb (command line)',
  missing: () => probe('the mariadb command line', 'mariadb', ['--version']),
  async login(target) {
    const tls = target.tls === true ? ['--ssl'] : [];
    const args = ['--no-defaults', ...cliArguments(target), ...tls];
    return cliResult(await run('mariadb', args, { MYSQL_PWD: target.password }));
  },
};

const mysqlCli: RealClient = {
  name: 'mysql (command line)',
  missing: async () => ((await mysqlClientCommand()) === null ? "MySQL's command line" : null),
  async login(target) {
    const command = await mysqlClientCommand();
    if (command === null) throw new Error('not there');
    const [program, ...words] = command;
    const tls = target.tls === true ? ['--ssl-mode=REQUIRED'] : [];
    const args = [...words, '--no-defaults', ...cliArguments(target), '--get-server-public-key', ...tls];
    return cliResult(await run(program, args, { MYSQL_PWD: target.password }));
  },
};

const PYTHON = `
import os, pymysql
where = {'unix_socket': os.environ['SOCKET']} if os.environ['SOCKET'] else {'host': '127.0.0.1', 'port': int(os.environ['PORT'])}
try:
    ssl = {'ssl': {'check_hostname': False}} if os.environ['TLS'] else {}
    connection = pymysql.connect(user=os.environ['WHO'], password=os.environ['PASSWORD'].encode(), **where, **ssl)
    connection.ping(reconnect=False)
    connection.close()
    print('ok')
except pymysql.MySQLError as error:
    print(error.args[0], error.args[1])
`;

const PHP = `
mysqli_report(MYSQLI_REPORT_OFF);
$socket = getenv('SOCKET');
$connection = mysqli_init();
$done = @$connection->real_connect($socket ? 'localhost' : '127.0.0.1', getenv('WHO'), getenv('PASSWORD'), null,
  $socket ? 0 : (int)getenv('PORT'), $socket ?: null, getenv('TLS') ? MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT : 0);
if (getenv('THEN')) {
  echo $connection->change_user(getenv('THEN'), getenv('THEN_PASSWORD'), null) && $connection->query('DO 1')
    ? 'ok' : $connection->errno . ' ' . $connection->error;
  exit;
}
echo $done && $connection->query('DO 1') ? 'ok' : $connection->connect_errno . ' ' . $connection->connect_error;
`;

function environment({ user, password, port, socketPath, tls }: Target): Record<string, string> {
  const where = { PORT: String(port ?? ''), SOCKET: socketPath ?? '' };
  return { WHO: user, PASSWORD: password, ...where, TLS: tls === true ? '1' : '' };
}

const pymysql: RealClient = {
  name: 'PyMySQL',
  missing: () =>
    probe('PyMySQL with cryptography', '/usr/bin/python3', ['-c', 'import pymysql, cryptography']),
  async login(target) {
    return (await run('/usr/bin/python3', ['-c', PYTHON], environment(target))).output;
  },
};

const mysqli: RealClient = {
  name: 'PHP mysqli',
  missing: () => probe('PHP with mysqli', 'php', ['-r', 'exit(extension_loaded("mysqli") ? 0 : 1);']),
  async login(target) {
    return (await run('php', ['-r', PHP], environment(target))).output;
  },
  async change(from, to) {
    const env = { ...environment(from), THEN: to.user, THEN_PASSWORD: to.password };
    return (await run('php', ['-r', PHP], env)).output;
  },
};

// MariaDB's C library; it leaves the answer in COM_CHANGE_USER to be asked for.
const MYSQLCLIENT = `
import os, MySQLdb
try:
    ssl = {'ssl': {'cipher': 'ALL'}} if os.environ['TLS'] else {}
    connection = MySQLdb.connect(host='127.0.0.1', port=int(os.environ['PORT']), user=os.environ['WHO'], password=os.environ['PASSWORD'], **ssl)
    if os.environ.get('THEN'):
        connection.change_user(os.environ['THEN'], os.environ['THEN_PASSWORD'])
    connection.ping()
    print('ok')
except MySQLdb.Error as error:
    print(error.args[0], error.args[1])
`;

/** Only for {@link RealClient.change}: its library is the `mariadb` command line's. */
export const MYSQLCLIENT_CHANGE: RealClient = {
  name: 'mysqlclient',
  missing: () => probe('mysqlclient (Python)', '/usr/bin/python3', ['-c', 'import MySQLdb']),
  async login(target) {
    return (await run('/usr/bin/python3', ['-c', MYSQLCLIENT], environment(target))).output;
  },
  async change(from, to) {
    const env = { ...environment(from), THEN: to.user, THEN_PASSWORD: to.password };
    return (await run('/usr/bin/python3', ['-c', MYSQLCLIENT], env)).output;
  },
};

/** The same from 11.4 on: wants TLS and checks certificates unless told otherwise. Its password is not in the environment, as it would then expect none. */
export const NEW_MARIADB: RealClient = {
  name: 'mariadb (command line, 11.4 or newer)',
  missing: async () =>
    (await newMariadbClientCommand()) === null ? "MariaDB's newer command line (.ci/install)" : null,
  async login(target) {
    const command = await newMariadbClientCommand();
    if (command === null) throw new Error('not there');
    const [program, ...words] = command;
    const args = [...words, ...cliArguments(target), `--password=${target.password}`];
    return cliResult(await run(program, args));
  },
};

export const CLIENTS: readonly RealClient[] = [mysql2, mariadbNode, mariadbCli, mysqlCli, pymysql, mysqli];
