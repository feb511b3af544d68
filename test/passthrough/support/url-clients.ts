/** Clients with the options that a connection string has: nothing that would be set for a proxy's sake. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mariadb from 'mariadb';
import mysql from 'mysql2/promise';
import type { Test } from 'tap';
import { mysqlClientCommand } from '../../support/server-programs.js';

export interface Login {
  readonly user: string;
  readonly password: string;
  readonly port: number;
  readonly schema: string;
  readonly isMysql: boolean;
}

export interface UrlClient {
  readonly name: string;
  /** Debian packages, for whoever lacks it. */
  readonly packages: string;
  /** What runs a statement and prints its first value or `ERRNO text`; null where something is missing. */
  prepare(t: Test): Promise<((login: Login, sql: string) => Promise<string>) | null>;
}

type Env = Readonly<Record<string, string>>;

function run(
  command: string,
  args: readonly string[],
  env: Env = {},
): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    const options = { env: { ...process.env, LC_ALL: 'C.UTF-8', ...env } };
    execFile(command, args, options, (error, stdout, stderr) =>
      resolve({ ok: error === null, output: `${stdout}${stderr}`.trim() }),
    );
  });
}

function environment({ user, password, port, schema }: Login, sql: string): Env {
  return { WHO: user, PASSWORD: password, PORT: String(port), SCHEMA: schema, STATEMENT: sql };
}

/** A program that reads its task from the environment. */
function script(
  name: string,
  packages: string,
  command: readonly [string, ...string[]],
  probe: readonly string[],
): UrlClient {
  const [program, ...args] = command;
  return {
    name,
    packages,
    prepare: async () => {
      if (!(await run(program, probe)).ok) return null;
      return async (login, sql) => (await run(program, args, environment(login, sql))).output;
    },
  };
}

const PYTHON = (module: string): string => `
import os, ${module} as driver
try:
    connection = driver.connect(host='127.0.0.1', port=int(os.environ['PORT']), user=os.environ['WHO'],
        password=os.environ['PASSWORD'], database=os.environ['SCHEMA'])
    cursor = connection.cursor()
    cursor.execute(os.environ['STATEMENT'])
    print(cursor.fetchone()[0])
    connection.close()
except driver.Error as error:
    print(error.args[0], error.args[1])
`;

const PHP = `
mysqli_report(MYSQLI_REPORT_OFF);
$connection = mysqli_init();
if (!@$connection->real_connect('127.0.0.1', getenv('WHO'), getenv('PASSWORD'), getenv('SCHEMA'), (int)getenv('PORT')))
  exit($connection->connect_errno . ' ' . $connection->connect_error);
echo $connection->query(getenv('STATEMENT'))->fetch_row()[0];
`;

const PDO = `
try {
  $connection = new PDO('mysql:host=127.0.0.1;port=' . getenv('PORT') . ';dbname=' . getenv('SCHEMA'), getenv('WHO'), getenv('PASSWORD'));
  echo $connection->query(getenv('STATEMENT'))->fetchColumn();
} catch (PDOException $error) {
  echo $error->getCode() . ' ' . $error->getMessage();
}
`;

const GO = `
package main

import (
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/go-sql-driver/mysql"
)

func main() {
	pool, err := sql.Open("mysql", os.Getenv("WHO")+":"+os.Getenv("PASSWORD")+"@tcp(127.0.0.1:"+os.Getenv("PORT")+")/"+os.Getenv("SCHEMA"))
	if err != nil {
		panic(err)
	}
	var value string
	err = pool.QueryRow(os.Getenv("STATEMENT")).Scan(&value)
	var refused *mysql.MySQLError
	if errors.As(err, &refused) {
		value = fmt.Sprintf("%d %s", refused.Number, refused.Message)
	} else if err != nil {
		value = err.Error()
	}
	fmt.Println(value)
}
`;

const JAVA = `
import java.sql.*;

class Login {
  public static void main(String[] args) {
    String url = "jdbc:mariadb://127.0.0.1:" + System.getenv("PORT") + "/" + System.getenv("SCHEMA");
    try (Connection connection = DriverManager.getConnection(url, System.getenv("WHO"), System.getenv("PASSWORD"))) {
      ResultSet rows = connection.createStatement().executeQuery(System.getenv("STATEMENT"));
      rows.next();
      System.out.println(rows.getString(1));
    } catch (SQLException error) {
      System.out.println(error.getErrorCode() + " " + error.getMessage());
    }
  }
}
`;

const CONNECTOR_J = '/usr/share/java/mariadb-java-client.jar';

async function folderOf(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'mybouncer-clients-'));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

async function build(program: string, args: readonly string[], env: Env = {}): Promise<void> {
  const { ok, output } = await run(program, args, env);
  if (!ok) throw new Error(`${program} ${args.join(' ')}: ${output}`);
}

const go: UrlClient = {
  name: 'go-sql-driver',
  packages: 'golang-go golang-github-go-sql-driver-mysql-dev',
  prepare: async (t) => {
    const folder = await folderOf(t);
    const env = {
      GO111MODULE: 'off',
      GOPATH: '/usr/share/gocode',
      GOFLAGS: '',
      GOCACHE: join(folder, 'cache'),
    };
    if (!(await run('go', ['list', 'github.com/go-sql-driver/mysql'], env)).ok) return null;
    const program = join(folder, 'login');
    await writeFile(`${program}.go`, GO);
    await build('go', ['build', '-o', program, `${program}.go`], env);
    return async (login, sql) => (await run(program, [], environment(login, sql))).output;
  },
};

const java: UrlClient = {
  name: 'MariaDB Connector/J',
  packages: 'default-jdk-headless libmariadb-java',
  prepare: async (t) => {
    if (!existsSync(CONNECTOR_J) || !(await run('javac', ['-version'])).ok) return null;
    const folder = await folderOf(t);
    const source = join(folder, 'Login.java');
    await writeFile(source, JAVA);
    await build('javac', ['-d', folder, source]);
    const args = ['-cp', `${folder}:${CONNECTOR_J}`, 'Login'];
    return async (login, sql) => (await run('java', args, environment(login, sql))).output;
  },
};

function cliArguments({ user, port, schema }: Login, sql: string): string[] {
  const where = ['--protocol=tcp', '--host=127.0.0.1', `--port=${port}`, `--user=${user}`];
  return ['--no-defaults', ...where, '--skip-column-names', '--batch', `--execute=${sql}`, schema];
}

const cliResult = (output: string): string => output.replace(/^ERROR (\d+) \([^)]*\): /m, '$1 ');

const mariadbCli: UrlClient = {
  name: 'mariadb (command line)',
  packages: 'mariadb-client',
  prepare: async () => {
    if (!(await run('mariadb', ['--version'])).ok) return null;
    return async (login, sql) =>
      cliResult((await run('mariadb', cliArguments(login, sql), { MYSQL_PWD: login.password })).output);
  },
};

const mysqlCli: UrlClient = {
  name: 'mysql (command line)',
  packages: '(see .ci/install)',
  prepare: async () => {
    const command = await mysqlClientCommand();
    if (command === null) return null;
    const [program, ...words] = command;
    // It wants TLS or this before it gives a password away: of a real server as well.
    return async (login, sql) => {
      const args = [
        ...words,
        ...cliArguments(login, sql),
        ...(login.isMysql ? ['--get-server-public-key'] : []),
      ];
      return cliResult((await run(program, args, { MYSQL_PWD: login.password })).output);
    };
  },
};

async function firstValue(
  open: () => Promise<{ query(sql: string): Promise<unknown>; end(): Promise<void> }>,
  rowOf: (result: unknown) => object,
  sql: string,
): Promise<string> {
  try {
    const connection = await open();
    const value = Object.values(rowOf(await connection.query(sql)))[0];
    await connection.end();
    return String(value);
  } catch (error) {
    if (!(error instanceof Error) || !('errno' in error)) throw error;
    return `${String(error.errno)} ${error.message}`;
  }
}

const mysql2: UrlClient = {
  name: 'mysql2',
  packages: '',
  prepare: () =>
    Promise.resolve(({ user, password, port, schema }, sql) =>
      firstValue(
        () => mysql.createConnection({ host: '127.0.0.1', port, user, password, database: schema }),
        (result) => (result as object[][])[0]?.[0] ?? {},
        sql,
      ),
    ),
};

const mariadbNode: UrlClient = {
  name: 'mariadb (npm)',
  packages: '',
  prepare: () =>
    Promise.resolve(({ user, password, port, schema, isMysql }, sql) =>
      firstValue(
        () =>
          mariadb.createConnection({
            host: '127.0.0.1',
            port,
            user,
            password,
            database: schema,
            connectTimeout: 20_000,
            // Over plain TCP it proves a password to nobody otherwise, unless by mysql_native_password: so also to MySQL itself.
            ...(isMysql ? { allowPublicKeyRetrieval: true } : {}),
          }),
        (result) => (result as object[])[0] ?? {},
        sql,
      ),
    ),
};

export const URL_CLIENTS: readonly UrlClient[] = [
  mysql2,
  mariadbNode,
  mariadbCli,
  mysqlCli,
  script(
    'PyMySQL',
    'python3-pymysql',
    ['/usr/bin/python3', '-c', PYTHON('pymysql')],
    ['-c', 'import pymysql'],
  ),
  script(
    'mysqlclient',
    'python3-mysqldb',
    ['/usr/bin/python3', '-c', PYTHON('MySQLdb')],
    ['-c', 'import MySQLdb'],
  ),
  script(
    'PHP mysqli',
    'php-cli php-mysql',
    ['php', '-r', PHP],
    ['-r', 'exit(extension_loaded("mysqli") ? 0 : 1);'],
  ),
  script(
    'PHP PDO',
    'php-cli php-mysql',
    ['php', '-r', PDO],
    ['-r', 'exit(extension_loaded("pdo_mysql") ? 0 : 1);'],
  ),
  go,
  java,
];
