import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { BouncerError } from '../errors.js';

/** The HTTP address cannot be listened on. */
export class HttpListenError extends BouncerError {
  readonly code = 'HTTP_LISTEN_FAILED';
}

export interface HttpServerOptions {
  readonly host: string;
  readonly port: number;
  readonly metrics: Registry;
  /** Whether clients are being served; the reason why not otherwise. */
  readonly readiness: () => { readonly ready: boolean; readonly reason: string };
}

/** `/metrics` for Prometheus, `/livez` and `/readyz` for whoever starts and stops the proxy. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      const answer = (status: number, type: string, body: string): void => {
        response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
        response.end(request.method === 'HEAD' ? undefined : body);
      };
      const text = (status: number, body: string): void =>
        answer(status, 'text/plain; charset=utf-8', `${body}\n`);
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        text(405, 'only GET and HEAD are answered');
        return;
      }
      switch (request.url?.split('?')[0]) {
        case '/metrics':
          this.#options.metrics.metrics().then(
            (body) => answer(200, this.#options.metrics.contentType, body),
            (error: unknown) =>
              text(500, `metrics failed: ${error instanceof Error ? error.message : String(error)}`),
          );
          return;
        case '/livez':
          text(200, 'alive');
          return;
        case '/readyz': {
          const { ready, reason } = this.#options.readiness();
          text(ready ? 200 : 503, reason);
          return;
        }
        default:
          text(404, 'there are /metrics, /livez and /readyz');
      }
    });
  }

  /** @throws HttpListenError */
  async start(): Promise<void> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) =>
        reject(new HttpListenError(`cannot listen on http ${host}:${port}: ${cause.message}`, { cause })),
      );
      this.#server.listen(port, host, resolve);
    });
  }

  /** `HOST:PORT` with the real port. */
  get address(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
