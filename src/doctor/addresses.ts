import { get } from 'node:http';
import { type Address, formatAddress, type TcpAddress } from '../config/address.js';
import type { Settings } from '../config/load.js';
import { ListenError } from '../frontend/errors.js';
import { Listener, type SocketOwner } from '../frontend/listener.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** How long a program at the HTTP address is waited for, in ms. */
const HTTP_PATIENCE_MS = 2_000;

/** Only a MyBouncer has this among its metrics. */
const OUR_METRIC = /^mybouncer_pool_size /m;

/** Whether each address can be listened on, tried in the same way as the proxy does. */
export async function checkAddresses({
  listen,
  http,
  unixSocketOwner = null,
  unixSocketGroup = null,
}: Pick<Settings, 'listen' | 'http'> &
  Partial<Pick<Settings, 'unixSocketOwner' | 'unixSocketGroup'>>): Promise<Finding[]> {
  const findings: Finding[] = [];
  let running: boolean | null = null;
  const owner = { uid: unixSocketOwner, gid: unixSocketGroup };
  const wanted = [
    ...listen.map((address) => ({ about: 'listen', address })),
    ...(http === null ? [] : [{ about: 'http', address: http }]),
  ];
  for (const { about, address } of wanted) {
    const error = await tryToListen(address, owner);
    if (error === null) {
      findings.push(ok(about, `${formatAddress(address)} is free`));
    } else if (!isTaken(error)) {
      findings.push(fail(about, error.message, 'Choose another address, or run it as a user that may'));
    } else {
      running ??= http !== null && (await isMyBouncer(http));
      findings.push(taken(about, address, running, http !== null));
    }
  }
  return findings;
}

function taken(about: string, address: Address, running: boolean, hasHttp: boolean): Finding {
  const text = `${formatAddress(address)} is in use`;
  if (running) return ok(about, `${text}: a MyBouncer with the same http address runs already`);
  const advice = 'Choose another address, or stop the other program';
  if (hasHttp) return fail(about, `${text}, and no MyBouncer answers at the http address`, advice);
  return warn(
    about,
    `${text}, by a MyBouncer that runs already or by another program`,
    `Unless it is the former: ${advice}`,
  );
}

async function tryToListen(address: Address, unixSocketOwner: SocketOwner): Promise<ListenError | null> {
  try {
    const listener = await Listener.open({
      address,
      unixSocketMode: 0,
      unixSocketOwner,
      // Whoever comes in the one moment is sent away.
      onConnection: (socket) => void socket.destroy(),
      log: { debug: () => {}, warn: () => {}, error: () => {} },
    });
    listener.close();
    return null;
  } catch (error) {
    if (!(error instanceof ListenError)) throw error;
    return error;
  }
}

/** Of a unix socket the listener says so in words only, since it has to ask who answers there. */
function isTaken({ cause, message }: ListenError): boolean {
  const code = cause instanceof Error && 'code' in cause ? cause.code : null;
  return code === 'EADDRINUSE' || message.endsWith('another process is listening there');
}

function isMyBouncer({ host, port }: TcpAddress): Promise<boolean> {
  const everywhere: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(HTTP_PATIENCE_MS);
    const request = get(
      { host: everywhere[host] ?? host, port, path: '/metrics', agent: false, signal },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (more: string) => {
          text += more;
        });
        response.on('error', () => resolve(false));
        response.on('end', () => resolve(OUR_METRIC.test(text)));
      },
    );
    request.on('error', () => resolve(false));
  });
}
