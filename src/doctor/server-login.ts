import { Refusal, ServerConnectError } from '../backend/connect.js';
import { isLoopback } from '../backend/server-tls.js';
import type { ServerAccount } from '../backend/upstream.js';
import type { ServerInfo } from '../session/server-info.js';
import { type Finding, fail, ok, warn } from './finding.js';
import type { ServerSite } from './server-site.js';

export interface LoginResult {
  readonly findings: readonly Finding[];
  /** Those that may log in to a server that can be used. */
  readonly accounts: readonly ServerAccount[];
}

/** Whether the server is there, can be used, and lets each account in. One attempt each: accounts are locked by more. */
export async function checkLogins(site: ServerSite): Promise<LoginResult> {
  const logins: Finding[] = [];
  const accounts: ServerAccount[] = [];
  let reached: Finding | null = null;
  let version: Finding | null = null;
  let encryption: Finding | null = null;
  for (const account of site.accounts) {
    const began = performance.now();
    try {
      const { info, tookMs, tlsVersion } = await site.logIn(account);
      reached ??= ok('server', `${site.address} answers (${milliseconds(tookMs)}, login included)`);
      encryption ??= encryptionFinding(site, tlsVersion);
      version ??= versionFinding(info);
      logins.push(ok(`login ${account.user}`, `${account.user} may log in (${milliseconds(tookMs)})`));
      accounts.push(account);
    } catch (error) {
      if (!(error instanceof ServerConnectError)) throw error;
      const unreachable = unreachableFinding(site, error);
      // It is the same for all of them.
      if (unreachable !== null) return { findings: [unreachable], accounts: [] };
      reached ??= ok('server', `${site.address} answers (${milliseconds(performance.now() - began)})`);
      logins.push(loginRefused(account, error));
    }
  }
  const findings = [reached, version, encryption, ...logins].filter((finding) => finding !== null);
  return { findings, accounts: version?.level === 'fail' ? [] : accounts };
}

/** How well what goes to the server is kept from others. */
function encryptionFinding({ config }: ServerSite, tlsVersion: string | null): Finding {
  const { serverTlsMode: mode } = config;
  const looked = mode === 'verify_ca' || mode === 'verify_full' ? 'verified' : 'not verified';
  if (tlsVersion !== null) return ok('tls', `${tlsVersion}, certificate ${looked} (server_tls_mode ${mode})`);
  if (mode === 'disable') return ok('tls', 'not used (server_tls_mode disable)');
  const { address } = config.upstream;
  if (address.kind === 'unix' || isLoopback(address.host)) return ok('tls', 'not used within the machine');
  return warn(
    'tls',
    'connections to the server are not encrypted: it does not offer TLS',
    'Give the server a certificate, or say that this is right: server_tls_mode disable',
  );
}

/** Of an account that the server does not let in, the first time or once more. */
export function loginRefused(account: ServerAccount, error: ServerConnectError): Finding {
  return fail(`login ${account.user}`, told(error), loginAdvice(error, account));
}

function told({ errno, message }: ServerConnectError): string {
  return `${message.replace(/\.$/, '')} (${errno})`;
}

/** Null where it was a server that refused. */
function unreachableFinding(site: ServerSite, error: ServerConnectError): Finding | null {
  switch (error.refused) {
    case Refusal.Nobody:
      return fail(
        'server',
        told(error),
        'Is the server running, and are host and port (or the socket) those of upstream?',
      );
    case Refusal.Network:
      return fail('server', told(error), 'Is the host name right, and is there a way to it from here?');
    case Refusal.Tls:
      return fail(
        'server',
        told(error),
        'See server_tls_mode and the files of server_tls_ca, server_tls_cert and server_tls_key',
      );
    case Refusal.Timeout:
      return fail(
        'server',
        told(error),
        `Does a firewall swallow connections to ${site.address}? If the server is merely slow, raise server_connect_timeout`,
      );
    case Refusal.Other:
      return error.errno === HANDSHAKE_ERRNO
        ? fail('server', told(error), `It has to be ${SUPPORTED}`)
        : null;
    case Refusal.Credentials:
    case Refusal.Schema:
    case Refusal.Capacity:
      return null;
  }
}

/** What connectServer() says of a server that speaks another protocol, or too little of this one. */
const HANDSHAKE_ERRNO = 2012;

const SUPPORTED = 'MySQL 8.0 or newer, or MariaDB 10.2 or newer';

function loginAdvice({ refused, errno }: ServerConnectError, { user }: ServerAccount): string {
  switch (refused) {
    case Refusal.Credentials:
      return credentialsAdvice(errno, user);
    case Refusal.Capacity:
      return 'The server, or this account, has no connection left: raise its limit (max_connections, max_user_connections), or see who has them: SHOW PROCESSLIST';
    case Refusal.Schema:
    case Refusal.Nobody:
    case Refusal.Network:
    case Refusal.Timeout:
    case Refusal.Tls:
    case Refusal.Other:
      return errno === HOST_BLOCKED ? 'On the server: FLUSH HOSTS' : "See the server's error log";
  }
}

const HOST_BLOCKED = 1129;

function credentialsAdvice(errno: number, user: string): string {
  switch (errno) {
    case 1130:
      return `Create the account for the host that it connects from: CREATE USER '${user}'@'HOST'`;
    case 1862:
      return `Give the account a new password: ALTER USER '${user}'@'HOST' IDENTIFIED BY ...`;
    case 3118:
    case 4151:
      return `Unlock it: ALTER USER '${user}'@'HOST' ACCOUNT UNLOCK`;
    case 3159:
      return 'The server takes encrypted connections only: set server_tls_mode to require';
    case 1251:
    case 1275:
    case 1524:
    case 2059:
      return 'The account has to use mysql_native_password or caching_sha2_password';
    default:
      return 'Check user and password (in a URL, characters such as @ : / ? # % are percent-encoded), that the account may log in from this host, and what it demands of TLS (REQUIRE SSL needs server_tls_mode require, REQUIRE X509 or SUBJECT needs server_tls_cert)';
  }
}

/** Whether a server that has every capability at its login can be used besides. */
export function versionFinding({ flavor, versionText, versionNumber }: ServerInfo): Finding {
  const name = flavor === 'mariadb' ? 'MariaDB' : 'MySQL';
  const shown = `${name} ${versionText.replace(/^5\.5\.5-/, '')}`;
  if (versionNumber < OLDEST[flavor])
    return fail(
      'version',
      `${shown} is too old: its session trackers do not tell enough`,
      `Use ${SUPPORTED}`,
    );
  return ok('version', `${shown} has what is needed (session trackers, CLIENT_DEPRECATE_EOF)`);
}

const OLDEST: Readonly<Record<ServerInfo['flavor'], number>> = { mariadb: 10_02_00, mysql: 8_00_00 };

function milliseconds(ms: number): string {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
