import { get } from 'node:http';
import type { Advice } from '../advice/advise.js';
import type { TcpAddress } from '../config/address.js';
import { BouncerError } from '../errors.js';

/** No proxy has answered, or not with advice. */
export class NoAdviceError extends BouncerError {
  readonly code = 'NO_ADVICE';
}

/** Long enough for a proxy that has much to do. */
const PATIENCE_MS = 10_000;

/** Where somebody who listens everywhere can be reached from here. */
const EVERYWHERE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/**
 * Asks the proxy that serves HTTP at this address.
 * @param target p99 of the wait for a session that is aimed at, with its unit; null for the proxy's own @throws NoAdviceError
 */
export async function askAdvice({ host, port }: TcpAddress, target: string | null): Promise<Advice> {
  const path = `/advice${target === null ? '' : `?target=${encodeURIComponent(target)}`}`;
  const where = `http://${host}:${port}`;
  const { status, text } = await ask(EVERYWHERE[host] ?? host, port, path).catch((cause: Error) => {
    const message = `no MyBouncer answers at ${where} (${cause.message}): is it running, and is this the http of its configuration?`;
    throw new NoAdviceError(message, { cause });
  });
  const said = parsed(text);
  if (status === 200 && said !== null && 'findings' in said) return said as Advice;
  if (said !== null && 'error' in said) throw new NoAdviceError(String(said.error));
  throw new NoAdviceError(`what answers at ${where} is no MyBouncer that gives advice (HTTP ${status})`);
}

function ask(host: string, port: number, path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const request = get({ host, port, path, agent: false, signal }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (more: string) => {
        text += more;
      });
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on('error', reject);
  });
}

function parsed(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}
