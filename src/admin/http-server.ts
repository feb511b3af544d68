import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BouncerError } from '../errors.js';
import { type HttpAnswer, sendAnswer, textAnswer } from './http-answer.js';
import { isForThisHost, isFromThisMachine, isSameOrigin } from './http-guard.js';
import { PAGE_FILES, type PageFile, readPageFile } from './page/files.js';
import { type Status, statusJsonSchema } from './status-document.js';

/** The HTTP address cannot be listened on. */
export class HttpListenError extends BouncerError {
  readonly code = 'HTTP_LISTEN_FAILED';
}

export interface HttpServerOptions {
  readonly host: string;
  readonly port: number;
  /** Of a socket that somebody else has bound, in place of the address; null, or not given, for none. */
  readonly fd?: number | null;
  /** As Prometheus reads them. */
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
  /** `/advice`: what was asked behind the `?` to a status and JSON. */
  readonly advice: (query: URLSearchParams) => Promise<{ readonly status: number; readonly body: string }>;
  /** Whether clients are being served; the reason why not otherwise. */
  readonly readiness: () => { readonly ready: boolean; readonly reason: string };
  /** Whether the server was ever reached; the reason why not otherwise. */
  readonly startup: () => { readonly ready: boolean; readonly reason: string };
  /** Told to stop: connections are closed behind their answers. */
  readonly draining: () => boolean;
  readonly status: () => Promise<Status>;
  /** Begins what SIGTERM begins. */
  readonly quit: () => void;
}

/** Who may ask: `anybody`, or whoever says the proxy's own name (it shows names and statements). */
type Audience = 'anybody' | 'own_name';

interface Endpoint {
  readonly audience: Audience;
  readonly method: 'GET' | 'POST';
  answer(request: IncomingMessage): HttpAnswer | Promise<HttpAnswer>;
}

/** A client that is silent in the midst of a request, or between two, is waited for no longer than this, in ms. */
const PATIENCE_MS = 5_000;

/** At once: probes, a monitoring system, some people with the page open. More would take descriptors from clients. */
const MAX_CONNECTIONS = 100;

/** How long answers under way may take when the server is stopped, in ms. */
const LAST_ANSWERS_MS = 500;

/**
 * `/metrics` for Prometheus; `/livez`, `/readyz`, `/startupz` and `/quitquitquit` for whoever starts and stops the proxy;
 * `/status` for programs and `/` for people.
 */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  readonly #endpoints: ReadonlyMap<string, Endpoint>;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#endpoints = endpoints(options);
    this.#server = createServer(
      {
        keepAliveTimeout: PATIENCE_MS,
        headersTimeout: PATIENCE_MS,
        requestTimeout: 2 * PATIENCE_MS,
        connectionsCheckingInterval: PATIENCE_MS,
      },
      (request, response) => {
        void this.#answerTo(request).then((answer) => {
          // What is left of a body is not waited for.
          const last = options.draining() || request.method === 'POST';
          sendAnswer(request, response, answer, last);
        });
      },
    );
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** @throws HttpListenError */
  async start(): Promise<void> {
    const { host, port, fd = null } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) =>
        reject(new HttpListenError(`cannot listen on http ${host}:${port}: ${cause.message}`, { cause })),
      );
      if (fd === null) this.#server.listen(port, host, resolve);
      else this.#server.listen({ fd }, resolve);
    });
  }

  /** `HOST:PORT` with the real port. */
  get address(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  /** Answers under way are still sent; connections that wait for a request are closed at once. */
  stop(): void {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeIdleConnections();
    setTimeout(() => this.#server.closeAllConnections(), LAST_ANSWERS_MS).unref();
  }

  /** Never rejects. */
  async #answerTo(request: IncomingMessage): Promise<HttpAnswer> {
    const path = request.url?.split('?')[0] ?? '';
    const endpoint = this.#endpoints.get(path);
    if (endpoint === undefined) return textAnswer(404, `not found; there are ${LISTED}`);
    const { method, audience } = endpoint;
    if (audience === 'own_name' && !isForThisHost(request, this.#options.host))
      return textAnswer(403, 'refused: ask for it by an IP address, or as localhost, not by another name');
    if (request.method !== method && !(method === 'GET' && request.method === 'HEAD')) {
      const allow = method === 'GET' ? 'GET, HEAD' : method;
      return textAnswer(405, `${path} answers to ${allow} only`, { headers: { allow } });
    }
    try {
      return await endpoint.answer(request);
    } catch (error) {
      return textAnswer(500, `${path} failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

const LISTED =
  '/, /status, /status/schema, /advice, /metrics, /livez, /readyz, /startupz and POST /quitquitquit';

function endpoints({
  metrics,
  readiness,
  startup,
  status,
  advice,
  quit,
}: HttpServerOptions): ReadonlyMap<string, Endpoint> {
  const get = (audience: Audience, answer: () => HttpAnswer | Promise<HttpAnswer>): Endpoint => ({
    audience,
    method: 'GET',
    answer,
  });
  const probe = ({ ready, reason }: { readonly ready: boolean; readonly reason: string }): HttpAnswer =>
    textAnswer(ready ? 200 : 503, reason);
  const file = (one: PageFile): Endpoint =>
    get('own_name', async () => ({ status: 200, type: one.type, body: await readPageFile(one) }));
  return new Map<string, Endpoint>([
    ['/livez', get('anybody', () => textAnswer(200, 'alive'))],
    ['/readyz', get('anybody', () => probe(readiness()))],
    ['/startupz', get('anybody', () => probe(startup()))],
    [
      '/metrics',
      get('anybody', async () => ({ status: 200, type: metrics.contentType, body: await metrics.metrics() })),
    ],
    [
      '/status',
      get('own_name', async () => ({
        status: 200,
        type: 'application/json; charset=utf-8',
        body: `${JSON.stringify(await status())}\n`,
      })),
    ],
    [
      '/status/schema',
      get('own_name', () => ({
        status: 200,
        type: 'application/schema+json; charset=utf-8',
        body: statusJsonSchema(),
      })),
    ],
    [
      '/advice',
      {
        audience: 'own_name',
        method: 'GET',
        answer: async ({ url }) => ({
          ...(await advice(new URLSearchParams(url?.split('?')[1]))),
          type: 'application/json; charset=utf-8',
        }),
      },
    ],
    ...[...PAGE_FILES].map(([path, one]) => [path, file(one)] as const),
    [
      '/quitquitquit',
      { audience: 'own_name', method: 'POST', answer: (request) => quitAnswer(request, quit) },
    ],
  ]);
}

function quitAnswer(request: IncomingMessage, quit: () => void): HttpAnswer {
  if (!isFromThisMachine(request.socket))
    return textAnswer(403, 'refused: /quitquitquit is for this machine, or this pod, only');
  if (!isSameOrigin(request)) return textAnswer(403, 'refused: sent by another site');
  return textAnswer(200, 'stopping: clients may finish', { after: quit });
}
