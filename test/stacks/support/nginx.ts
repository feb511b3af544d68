import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { freePort, Service } from './service.js';

export interface NginxOptions {
  /** Path of nginx. */
  readonly program: string;
  /** For its configuration and files; an absolute path. */
  readonly folder: string;
  /** Where requests go: `proxy_pass http://unix:PATH`, or `include PATH; uwsgi_pass HOST:PORT`. */
  readonly pass: string;
}

/** Debian's nginx would put these where only its package may write. */
const TEMP_PATHS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** An nginx of the test's own, on {@link Service.url}, in front of an app server. */
export async function startNginx(t: Test, { program, folder, pass }: NginxOptions): Promise<Service> {
  const home = join(folder, 'nginx');
  await mkdir(home);
  const port = await freePort();
  // The user that workers run as is nobody's otherwise, who may not enter the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  const temp = TEMP_PATHS.map((name) => `${name}_temp_path ${join(home, name)};`).join('\n  ');
  await writeFile(
    join(home, 'nginx.conf'),
    `${user}
daemon off;
worker_processes 1;
pid ${join(home, 'nginx.pid')};
error_log stderr;
events { worker_connections 1024; }
http {
  access_log off;
  ${temp}
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / { ${pass}; }
  }
}
`,
  );
  return Service.start(t, {
    name: 'nginx',
    // Without -e it looks for its log where the package has it.
    words: [program, '-e', 'stderr', '-p', home, '-c', 'nginx.conf'],
    port,
  });
}
