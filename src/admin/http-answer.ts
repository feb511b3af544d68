import type { IncomingMessage, ServerResponse } from 'node:http';

export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called once the answer is on its way, or nobody is there to take it. */
  readonly after?: () => void;
}

const TEXT = 'text/plain; charset=utf-8';

export function textAnswer(
  status: number,
  line: string,
  more: Pick<HttpAnswer, 'headers' | 'after'> = {},
): HttpAnswer {
  return { status, type: TEXT, body: `${line}\n`, ...more };
}

/**
 * For every answer. Nothing is loaded from elsewhere, no script runs that is not a file of the proxy's own, and no text becomes
 * markup (trusted types): names of users and tables come from strangers.
 */
const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** `last`: the connection is closed behind it. */
export function sendAnswer(
  request: IncomingMessage,
  response: ServerResponse,
  { status, type, body, headers, after }: HttpAnswer,
  last: boolean,
): void {
  response.writeHead(status, {
    ...HEADERS,
    ...headers,
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    ...(last ? { connection: 'close' } : {}),
  });
  // Also when the client has gone before.
  if (after !== undefined) response.once('close', after);
  response.end(request.method === 'HEAD' ? undefined : body);
}
