import {
  connectServer,
  ServerConnectError,
  type ServerConnectOptions,
} from '../../../src/backend/connect.js';
import { ServerTls, type ServerTlsSettings } from '../../../src/backend/server-tls.js';
import type { Certificate } from '../../support/certificate-maker.js';
import { RawSession } from '../../support/raw-session.js';
import { APP_PASSWORD, APP_USER, type Flavor } from '../../support/servers.js';

const SETTINGS: ServerTlsSettings = {
  serverTlsMode: 'require',
  serverTlsCa: null,
  serverTlsCert: null,
  serverTlsKey: null,
  serverTlsMinVersion: 'TLSv1.2',
};

/** TLS towards a server, and what it told. */
export class Site {
  readonly tls: ServerTls | null;
  readonly told: (string | boolean)[] = [];
  readonly options: ServerConnectOptions;

  constructor(
    server: { readonly port: number },
    over: Partial<ServerTlsSettings> = {},
    login: Partial<ServerConnectOptions> = {},
  ) {
    const address = login.address ?? { host: 'localhost', port: server.port };
    this.tls = ServerTls.of({ ...SETTINGS, ...over }, address, {
      encrypted: (yes) => this.told.push(yes),
      filesUnusable: (reason) => this.told.push(reason),
    });
    this.options = {
      address,
      user: APP_USER,
      password: APP_PASSWORD,
      schema: null,
      capabilities: 0,
      collation: 45,
      connectTimeoutMs: 10_000,
      attributes: {},
      tls: this.tls,
      ...login,
    };
  }

  /** What the server says of the session's encryption; '' for none. */
  async version(): Promise<string> {
    const session = await RawSession.open(this.options);
    const { tlsVersion } = session.channel;
    const [row] = (await session.must("SHOW STATUS LIKE 'Ssl_version'")).rows;
    session.close();
    const version = row?.[1] ?? '';
    if (version !== (tlsVersion ?? '')) throw new Error(`${version} on the server, ${tlsVersion} here`);
    return version;
  }

  async refusal(): Promise<ServerConnectError> {
    try {
      const { channel } = await connectServer(this.options);
      channel.destroy();
    } catch (error) {
      if (error instanceof ServerConnectError) return error;
      throw error;
    }
    throw new Error('the server let us in');
  }

  get resumed(): string {
    const { full = 0, resumed = 0 } = this.tls?.handshakes ?? {};
    return `${full} full, ${resumed} resumed`;
  }
}

/** What every refusal for reasons of TLS is. */
export const HELD_BACK = { errno: 2026, sqlState: 'HY000', refused: 'tls', fatalToWaiters: true } as const;

export function tlsArguments(certificate: Certificate, ca: Certificate): string[] {
  return [`--ssl-ca=${ca.cert}`, `--ssl-cert=${certificate.cert}`, `--ssl-key=${certificate.key}`];
}

/** Of a server without TLS: MySQL makes itself certificates unless told otherwise. */
export function noTls(flavor: Flavor): string[] {
  return flavor === 'mysql' ? ['--tls-version='] : ['--skip-ssl'];
}
