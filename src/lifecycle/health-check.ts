import { get } from 'node:http';
import type { TcpAddress } from '../config/address.js';

const PATIENCE_MS = 3_000;

/** Any address of this machine will do where the proxy listens on all of them. */
const REACHED_AT: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** Asks the proxy that has this http address whether it serves clients. @returns null if it does, else why not */
export function healthCheck(http: TcpAddress | null): Promise<string | null> {
  if (http === null) return Promise.resolve('http is off: there is nobody to ask');
  const host = REACHED_AT[http.host] ?? http.host;
  return new Promise((resolve) => {
    const request = get(
      { host, port: http.port, path: '/readyz', timeout: PATIENCE_MS, agent: false },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => {
          body = (body + text).slice(0, 1_000);
        });
        response.on('end', () => resolve(response.statusCode === 200 ? null : body.trim()));
      },
    );
    request.on('timeout', () => request.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
    request.on('error', (error) => resolve(error.message));
  });
}
