import type { Test } from 'tap';
import { freePort, Service } from './service.js';
import { stackFolder } from './stack.js';

export interface UwsgiOptions {
  /** Path of uWSGI. */
  readonly program: string;
  /** Module and callable, such as `django_app:application`, in {@link stackFolder}. */
  readonly app: string;
  readonly processes: number;
  /** More of its own arguments. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** What nginx says to uWSGI of a request: as in Debian's uwsgi_params. */
const UWSGI_PARAMS = [
  'QUERY_STRING $query_string',
  'REQUEST_METHOD $request_method',
  'CONTENT_TYPE $content_type',
  'CONTENT_LENGTH $content_length',
  'REQUEST_URI $request_uri',
  'PATH_INFO $document_uri',
  'SERVER_PROTOCOL $server_protocol',
  'REMOTE_ADDR $remote_addr',
  'SERVER_PORT $server_port',
  'SERVER_NAME $server_name',
];

/** An app under uWSGI, which speaks its own protocol: nginx stands in front of it. */
export async function startUwsgi(t: Test, options: UwsgiOptions): Promise<Service> {
  const { program, app, processes, args = [], env = {} } = options;
  const port = await freePort();
  return Service.start(t, {
    name: 'uWSGI',
    words: [
      program,
      '--plugin=python3',
      '--master',
      '--need-app',
      '--die-on-term',
      '--no-orphans',
      `--socket=127.0.0.1:${port}`,
      `--processes=${processes}`,
      `--chdir=${stackFolder()}`,
      `--module=${app}`,
      ...args,
    ],
    env: { PYTHONDONTWRITEBYTECODE: '1', ...env },
    port,
    // It takes two seconds to end in order, and leaves nothing that would need it.
    stopSignal: 'SIGKILL',
  });
}

/** The way there, for nginx's `location`. */
export function uwsgiPass({ port }: Service): string {
  return [...UWSGI_PARAMS.map((param) => `uwsgi_param ${param}`), `uwsgi_pass 127.0.0.1:${port}`].join('; ');
}

/** The processes that uWSGI has killed as they took longer than its `harakiri`. */
export function harakiris({ output }: Service): number[] {
  return output.flatMap((line) => {
    const [, pid] = /HARAKIRI ON WORKER \d+ \(pid: (\d+)/.exec(line) ?? [];
    return pid === undefined ? [] : [Number(pid)];
  });
}
