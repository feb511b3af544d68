import { callInternal, queryCommand } from '../backend/internal-commands.js';
import type { ServerAddress } from '../backend/server-channel.js';
import { OWN_CONNECTIONS, type RoomRules } from '../backend/server-room.js';
import type { ServerSession } from '../backend/server-session.js';
import { ServerTls } from '../backend/server-tls.js';
import { ServerAccount, Upstream } from '../backend/upstream.js';
import { type Address, formatAddress } from '../config/address.js';
import type { Config } from '../config/load.js';
import { VERSION } from '../config/version.js';
import { ProfileRegistry } from '../session/profile.js';
import type { ServerInfo } from '../session/server-info.js';

export interface LoggedIn {
  readonly info: ServerInfo;
  readonly tookMs: number;
  /** Null where the connection was not encrypted. */
  readonly tlsVersion: string | null;
}

/** The server and the accounts that a configuration names. Its sessions are opened in the same way as the proxy's own. */
export class ServerSite {
  readonly config: Config;
  /** As it is shown. */
  readonly address: string;
  /** Each once, the upstream's own first. */
  readonly accounts: readonly ServerAccount[];
  readonly #upstream: Upstream;

  constructor(config: Config) {
    this.config = config;
    this.address = formatAddress(config.upstream.address);
    this.accounts = accountsOf(config);
    const address = serverAddress(config.upstream.address);
    this.#upstream = new Upstream(
      {
        address,
        // What it would tell shows in the findings.
        tls: ServerTls.of(config, address, { encrypted: () => {}, filesUnusable: () => {} }),
        connectTimeoutMs: config.serverConnectTimeout,
        maxPreparedStatements: config.maxPreparedStatements,
        attributes: { program_name: 'mybouncer doctor', program_version: VERSION, _pid: String(process.pid) },
      },
      new ProfileRegistry(),
    );
  }

  /** What it wants of the server's connections. */
  get rules(): RoomRules {
    const { length } = this.accounts;
    return { reserve: this.config.reserve, own: OWN_CONNECTIONS * length, oneAccount: length === 1 };
  }

  /** Session-scoped variables that are carried from session to session; 0 before the first session was opened. */
  get carriedVariables(): number {
    return this.#upstream.facts?.variableNames.size ?? 0;
  }

  /** Logs in, and out again. @throws ServerConnectError */
  async logIn(account: ServerAccount): Promise<LoggedIn> {
    const began = performance.now();
    const { channel, info } = await this.#upstream.connect(account, null, 0);
    const { tlsVersion } = channel;
    const tookMs = performance.now() - began;
    await new Promise<void>((resolve) => channel.quit(resolve));
    return { info, tookMs, tlsVersion };
  }

  /** @throws ServerConnectError | InternalCommandError | SessionLostError */
  open(account: ServerAccount): Promise<ServerSession> {
    return this.#upstream.open(account, null, 0);
  }
}

/** Those that the proxy could log in with now: what a client is yet to prove it has not. */
function accountsOf({ upstream, users }: Config): ServerAccount[] {
  const accounts = new Map<string, ServerAccount>();
  const logins = users.map(({ server }) => server);
  // The one that serves the upstream's own name is the first that the proxy itself tries.
  const first = users.find(({ name }) => name === upstream.user)?.server;
  for (const { user, secrets } of first === undefined ? logins : [first, ...logins]) {
    const passwords = secrets.flatMap((secret) =>
      secret.kind === 'password' ? [{ password: secret.password.reveal() }] : [],
    );
    const key = JSON.stringify([user, passwords]);
    if (passwords.length > 0 && !accounts.has(key))
      accounts.set(key, new ServerAccount(user, () => passwords));
  }
  return [...accounts.values()];
}

function serverAddress(address: Address): ServerAddress {
  return address.kind === 'tcp' ? address : { socketPath: address.path };
}

/** The first row. @throws InternalCommandError | SessionLostError */
export async function firstRow(session: ServerSession, sql: string): Promise<readonly (string | null)[]> {
  const [reply] = await callInternal(session, [queryCommand(sql)]);
  return reply?.rows[0] ?? [];
}
