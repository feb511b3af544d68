import type { Settings } from '../config/load.js';
import { loadTlsFiles } from '../config/tls-files.js';
import { type Finding, fail, ok, warn } from './finding.js';

const ABOUT = 'TLS with clients';
const DAY_MS = 86_400_000;
/** A certificate that ends sooner than this should have been replaced by now. */
const SOON_DAYS = 14;

type Keys = Pick<Settings, 'tlsMode' | 'tlsCert' | 'tlsKey' | 'tlsClientCa' | 'tlsMinVersion' | 'listen'>;

/** Whether clients can trust what they are shown, and whether passwords may come in clear. Files that do not fit were told before. */
export function checkClientTls(keys: Keys, now: Date = new Date()): Finding {
  const { tlsMode: mode, tlsCert: cert, tlsMinVersion: version } = keys;
  const isRemote = keys.listen.some((address) => address.kind === 'tcp' && !isLoopback(address.host));
  if (mode === 'disable') {
    return isRemote
      ? warn(
          ABOUT,
          'it is off, and clients may come from other hosts',
          'Set tls_mode to allow, or to require',
        )
      : ok(ABOUT, 'it is off, and no client comes from another host');
  }
  const { pair } = loadTlsFiles({ mode, cert, key: keys.tlsKey, clientCa: keys.tlsClientCa });
  const terms = `tls_mode ${mode}, ${version} or newer`;
  if (pair === null) {
    const text = `${terms}, with a certificate that is made at start and that nobody vouches for`;
    return isRemote
      ? warn(
          ABOUT,
          `${text}: of clients from other hosts only MariaDB's (from 11.4) can tell who is at the other end`,
          'Set tls_cert and tls_key',
        )
      : ok(ABOUT, text);
  }
  const days = Math.floor((pair.expires.getTime() - now.getTime()) / DAY_MS);
  const until = `${cert} is good until ${pair.expires.toISOString().slice(0, 10)}`;
  if (days < 0) {
    const text = `${cert} has expired on ${pair.expires.toISOString().slice(0, 10)}: clients that check it refuse it`;
    return fail(ABOUT, text, 'Replace it; a running proxy reads it again');
  }
  if (days < SOON_DAYS)
    return warn(ABOUT, `${terms}; ${until}`, 'Replace it; a running proxy reads it again');
  return ok(ABOUT, `${terms}; ${until}`);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
