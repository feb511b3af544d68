import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { build } from '../../clients/conformance.js';
import { watched } from '../../support/watched.js';
import { freePort, Service } from './service.js';

export interface SupervisorOptions {
  /** Paths of its two programs. */
  readonly supervisord: string;
  readonly supervisorctl: string;
  /** For its configuration and logs; an absolute path. */
  readonly folder: string;
  /** What it keeps running. */
  readonly words: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** supervisord with one program in its care, which it stops in the hardest way: the whole group of processes, by SIGKILL. */
export class Supervisor {
  readonly #ctl: readonly [string, ...string[]];
  readonly #log: string;

  private constructor(ctl: readonly [string, ...string[]], log: string) {
    this.#ctl = ctl;
    this.#log = log;
  }

  /** Resolves when supervisord answers; the program may not be ready yet. */
  static async start(t: Test, options: SupervisorOptions): Promise<Supervisor> {
    const { supervisord, supervisorctl, folder, words, cwd, env = {} } = options;
    const home = join(folder, 'supervisor');
    await mkdir(home);
    const port = await freePort();
    const file = join(home, 'supervisord.conf');
    const log = join(home, 'app.log');
    await writeFile(file, configuration(home, port, words, cwd, log));
    await Service.start(t, { name: 'supervisord', words: [supervisord, '-n', '-c', file], env, port });
    return new Supervisor([supervisorctl, '-c', file], log);
  }

  /** Kills the program and everything it has started, and starts it again. @throws with what supervisorctl says */
  async restart(): Promise<void> {
    await build([...this.#ctl, 'restart', 'app']);
  }

  /** What the program has printed. */
  log(): Promise<string> {
    return readFile(this.#log, 'utf8');
  }
}

function configuration(
  home: string,
  port: number,
  words: readonly string[],
  cwd: string,
  log: string,
): string {
  // It is in a group of its own there. A percent sign would begin a placeholder.
  const command = watched(words)
    .map((word) => `'${word.replaceAll("'", `'\\''`).replaceAll('%', '%%')}'`)
    .join(' ');
  return `[supervisord]
logfile=${join(home, 'supervisord.log')}
logfile_maxbytes=0
pidfile=${join(home, 'supervisord.pid')}
childlogdir=${home}

[inet_http_server]
port=127.0.0.1:${port}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=http://127.0.0.1:${port}

[program:app]
command=${command}
directory=${cwd}
autorestart=true
stopsignal=KILL
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=${log}
stdout_logfile_maxbytes=0
`;
}
