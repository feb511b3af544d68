import { type IncomingHttpHeaders, request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Asked {
  readonly method?: string;
  /** Any, `host` too. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** One HTTP request, over a connection of its own. */
export function ask(url: string, { method = 'GET', headers = {} }: Asked = {}): Promise<Answered> {
  return new Promise((resolve, reject) => {
    request(url, { method, headers, agent: false }, (response) => {
      text(response).then(
        (body) => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        reject,
      );
    })
      .on('error', reject)
      .end();
  });
}
