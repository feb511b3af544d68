import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { projectFolder } from '../../clients/conformance.js';
import { startNginx } from '../support/nginx.js';
import { startRedis } from '../support/redis.js';
import { freePort, Service } from '../support/service.js';
import type { Kitchen, Recipe, Shop } from './recipe.js';

/** In good order it would take them seconds to end. */
const AT_ONCE = 'SIGKILL';
const PYTHON_ENV = { PYTHONDONTWRITEBYTECODE: '1' };
const SQLALCHEMY = ['flask', 'sqlalchemy', 'MySQLdb'];
const SQLALCHEMY_PACKAGES = 'python3-flask python3-sqlalchemy python3-mysqldb';

/** Workers that speak HTTP themselves. */
async function alone(started: Promise<Service>): Promise<Shop> {
  const workers = await started;
  return { url: workers.url, workers };
}

async function startGunicorn(t: Test, { installed, folder }: Kitchen): Promise<Shop> {
  const port = await freePort();
  return alone(
    Service.start(t, {
      name: 'gunicorn',
      words: [installed.python, '-m', 'gunicorn.app.wsgiapp', '--bind', `127.0.0.1:${port}`, 'app:app'],
      cwd: folder,
      env: PYTHON_ENV,
      port,
      stopSignal: AT_ONCE,
    }),
  );
}

export const gunicornWithSqlalchemy: Recipe = {
  stack: {
    name: 'Flask and SQLAlchemy under gunicorn',
    modules: ['gunicorn', ...SQLALCHEMY],
    packages: `python3-gunicorn ${SQLALCHEMY_PACKAGES}`,
  },
  shown: ['gunicorn/gunicorn.conf.py', 'sqlalchemy/db.py'],
  others: ['sqlalchemy/app.py'],
  workers: 4,
  start: startGunicorn,
  slowWorkers: 'are killed by the test',
};

export const gunicornWithDjango: Recipe = {
  stack: {
    name: 'Django under gunicorn',
    modules: ['gunicorn', 'django', 'MySQLdb'],
    packages: 'python3-gunicorn python3-django python3-mysqldb',
  },
  shown: ['django/gunicorn.conf.py', 'django/settings.py'],
  others: ['django/app.py'],
  workers: 4,
  start: startGunicorn,
  slowWorkers: 'are killed by the test',
};

const uwsgi: Recipe = {
  stack: {
    name: 'Flask and SQLAlchemy under uWSGI',
    programs: ['uwsgi'],
    modules: SQLALCHEMY,
    packages: `uwsgi-core uwsgi-plugin-python3 ${SQLALCHEMY_PACKAGES}`,
  },
  shown: ['uwsgi/uwsgi.ini', 'sqlalchemy/db.py'],
  others: ['sqlalchemy/app.py'],
  workers: 4,
  async start(t, { installed, folder }) {
    const port = await freePort();
    return alone(
      Service.start(t, {
        name: 'uWSGI',
        words: [
          installed.program('uwsgi'),
          '--plugin=python3',
          `--http-socket=127.0.0.1:${port}`,
          '--ini=uwsgi.ini',
        ],
        cwd: folder,
        env: PYTHON_ENV,
        port,
        stopSignal: AT_ONCE,
      }),
    );
  },
  slowWorkers: 'are killed by the app server',
};

export const phpFpm: Recipe = {
  stack: {
    name: 'PDO and mysqli under PHP-FPM',
    programs: ['nginx', 'php-fpm'],
    checks: [['php', '-r', 'exit(extension_loaded("pdo_mysql") && extension_loaded("mysqli") ? 0 : 1);']],
    packages: 'nginx-light php-fpm php-cli php-mysql',
  },
  shown: ['php/www.conf', 'php/pdo.php', 'php/mysqli.php'],
  others: ['php/index.php'],
  workers: 4,
  async start(t, { installed, folder }) {
    const port = await freePort();
    const isRoot = process.getuid?.() === 0;
    const configuration = `[global]
error_log = ${join(folder, 'fpm.log')}
include = ${join(folder, 'www.conf')}
[www]
listen = 127.0.0.1:${port}
${isRoot ? 'user = root\ngroup = root' : ''}
`;
    await writeFile(join(folder, 'fpm.conf'), configuration);
    const workers = await Service.start(t, {
      name: 'PHP-FPM',
      words: [
        installed.program('php-fpm'),
        '--nodaemonize',
        ...(isRoot ? ['--allow-to-run-as-root'] : []),
        '--fpm-config',
        join(folder, 'fpm.conf'),
      ],
      port,
    });
    const params = {
      SCRIPT_FILENAME: join(folder, 'index.php'),
      DOCUMENT_URI: '$document_uri',
      REQUEST_METHOD: '$request_method',
    };
    const pass = Object.entries(params).map(([name, value]) => `fastcgi_param ${name} ${value}; `);
    const { url } = await startNginx(t, {
      program: installed.program('nginx'),
      folder,
      pass: `${pass.join('')}fastcgi_pass 127.0.0.1:${port}`,
    });
    return { url, workers };
  },
  slowWorkers: 'are killed by the test',
};

const puma: Recipe = {
  stack: {
    name: 'mysql2 under puma',
    programs: ['puma'],
    checks: [['ruby', '-e', 'require "mysql2"']],
    packages: 'puma ruby ruby-mysql2',
  },
  shown: ['puma/puma.rb', 'puma/db.rb'],
  others: ['puma/config.ru'],
  workers: 4,
  async start(t, { installed, folder }) {
    const port = await freePort();
    return alone(
      Service.start(t, {
        name: 'puma',
        words: [installed.program('puma'), '--config', 'puma.rb', '--bind', `tcp://127.0.0.1:${port}`],
        cwd: folder,
        port,
      }),
    );
  },
  slowWorkers: 'are killed by the test',
};

const nodeCluster: Recipe = {
  stack: { name: 'mysql2 in a Node cluster', packages: '' },
  shown: ['node/server.js'],
  others: ['node/app.js'],
  workers: 4,
  async start(t, { folder }) {
    const port = await freePort();
    await writeFile(join(folder, 'package.json'), '{"type": "module"}');
    await symlink(join(projectFolder(), 'node_modules'), join(folder, 'node_modules'));
    return alone(
      Service.start(t, {
        name: 'the Node cluster',
        words: [process.execPath, 'server.js'],
        cwd: folder,
        env: { PORT: String(port) },
        port,
      }),
    );
  },
  slowWorkers: 'are killed by the test',
};

const celery: Recipe = {
  stack: {
    name: 'Celery with SQLAlchemy',
    programs: ['redis-server'],
    modules: ['celery', 'redis', 'sqlalchemy', 'MySQLdb'],
    packages: 'redis-server python3-celery python3-redis python3-sqlalchemy python3-mysqldb',
  },
  shown: ['celery/celery_app.py', 'sqlalchemy/db.py'],
  others: ['celery/tasks.py', 'celery/front.py'],
  workers: 4,
  async start(t, { installed, folder }) {
    const worker = [installed.python, '-m', 'celery', '--app', 'celery_app', 'worker', '--concurrency', '4'];
    const broker = await startRedis(t, installed.program('redis-server'));
    const port = await freePort();
    return alone(
      Service.start(t, {
        name: 'Celery',
        words: [installed.python, 'front.py', String(port), ...worker],
        cwd: folder,
        env: {
          ...PYTHON_ENV,
          CELERY_BROKER_URL: `redis://127.0.0.1:${broker.port}`,
          // Not Redis: many threads wait for results here, and its client is not made for that.
          CELERY_RESULT_BACKEND: `file://${folder}`,
        },
        port,
        stopSignal: AT_ONCE,
      }),
    );
  },
  slowWorkers: 'are killed by the test',
};

export const RECIPES: readonly Recipe[] = [
  gunicornWithSqlalchemy,
  gunicornWithDjango,
  uwsgi,
  phpFpm,
  puma,
  nodeCluster,
  celery,
];
