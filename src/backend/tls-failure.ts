import { ServerTlsMode, type ServerTlsSettings } from './server-tls.js';

/** Characters of what a certificate or OpenSSL says, at most: the names in a certificate may be many. */
const MAX_DETAIL = 200;

/**
 * Whether a connection ended for something that TLS found wrong (a certificate, a version, bytes that are no TLS), and not
 * for something that the network did.
 */
export function isTlsError(error: Error | null): error is Error {
  if (error === null || !('code' in error) || typeof error.code !== 'string') return false;
  // What OpenSSL complains of while something is written comes as an error of the system.
  if (error.code === 'EPROTO') return true;
  // A system's own codes have no underscore, apart from those of name look-ups.
  return error.code.includes('_') && !error.code.startsWith('EAI_');
}

/** Why TLS failed, as the end of a sentence: what is wrong, and whose key of the configuration it is about. */
export function tlsFailureText(error: Error, settings: ServerTlsSettings): string {
  const code = 'code' in error ? String(error.code) : '';
  return whatIsWrong(code, error, settings) ?? `${detailOf(error)}`;
}

function whatIsWrong(code: string, error: Error, settings: ServerTlsSettings): string | null {
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return 'its certificate, or one that signs it, has expired';
    case 'CERT_NOT_YET_VALID':
      return 'its certificate, or one that signs it, is not valid yet; or the clock is wrong here';
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return `its certificate is not signed by a CA of ${settings.serverTlsCa ?? "the system's (server_tls_ca is not set)"} (${code})`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `its certificate is for another name, and server_tls_mode is ${ServerTlsMode.VerifyFull}: ${detailOf(error)}`;
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
    case 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION':
      return `it has no TLS version in common with us, server_tls_min_version is ${settings.serverTlsMinVersion} (${code})`;
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'ERR_SSL_RECORD_LAYER_FAILURE':
      return 'it offers TLS, but what it then sends is none';
    default:
      return ourCertificateRefused(code, settings);
  }
}

/** What a server says (RFC 8446, 6.2) that looks at the client's certificate. With TLS 1.3 it comes after the handshake. */
const CERTIFICATE_ALERT =
  /ALERT_(NO_CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|DECRYPT_ERROR)$/;

function ourCertificateRefused(code: string, { serverTlsCert }: ServerTlsSettings): string | null {
  const alert = CERTIFICATE_ALERT.exec(code)?.[1];
  if (alert === undefined) return null;
  const reason = alert.toLowerCase().replaceAll('_', ' ');
  return serverTlsCert === null
    ? `it wants a client certificate, and server_tls_cert is not set (${reason})`
    : `it refuses the client certificate ${serverTlsCert} (${reason})`;
}

/** OpenSSL's own short reason where there is one: its messages name source files and addresses. */
function detailOf(error: Error): string {
  const reason = 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
  const line = reason.replaceAll(/\s+/g, ' ').trim();
  return line.length > MAX_DETAIL ? `${line.slice(0, MAX_DETAIL)}...` : line;
}
