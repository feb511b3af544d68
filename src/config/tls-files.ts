import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { BouncerError } from '../errors.js';
import { readTextFile } from './password-file.js';
import { quoteValue } from './problem.js';

/** What the configuration says of TLS with clients. */
export interface TlsKeys {
  readonly mode: 'disable' | 'allow' | 'require' | 'verify';
  readonly cert: string | null;
  readonly key: string | null;
  readonly clientCa: string | null;
}

/** Whose fault it is, by its key. */
export interface TlsMistake {
  readonly key: 'tls_mode' | 'tls_cert' | 'tls_key' | 'tls_client_ca';
  readonly message: string;
}

/** The contents of the files, which fit each other. PEM. */
export interface TlsFiles {
  /** null where none was given: one has to be made. */
  readonly pair: { readonly cert: string; readonly key: string; readonly expires: Date } | null;
  readonly ca: string | null;
}

/** Files for TLS that cannot be used. */
export class TlsFilesError extends BouncerError {
  readonly code = 'TLS_FILES_UNUSABLE';
}

/** Everything that is wrong, the files' contents included. */
export function tlsMistakes(keys: TlsKeys): readonly TlsMistake[] {
  const missing = missingKeys(keys);
  return missing.length > 0 ? missing : readTlsFiles(keys).mistakes;
}

/** @throws TlsFilesError with the first mistake */
export function loadTlsFiles(keys: TlsKeys): TlsFiles {
  const { files, mistakes } = readTlsFiles(keys);
  const [first] = mistakes;
  if (first !== undefined) throw new TlsFilesError(`${first.key}: ${first.message}`);
  return files;
}

/** The files that these keys name. */
export function tlsPaths({ mode, cert, key, clientCa }: TlsKeys): readonly string[] {
  if (mode === 'disable') return [];
  return [cert, key, clientCa].filter((path) => path !== null);
}

function missingKeys({ mode, cert, key, clientCa }: TlsKeys): readonly TlsMistake[] {
  const mistakes: TlsMistake[] = [];
  if (cert !== null && key === null) {
    mistakes.push({ key: 'tls_cert', message: 'needs tls_key as well (it may be the same file)' });
  }
  if (key !== null && cert === null) mistakes.push({ key: 'tls_key', message: 'needs tls_cert as well' });
  if (mode === 'verify' && clientCa === null) {
    mistakes.push({
      key: 'tls_mode',
      message: 'verify needs tls_client_ca: whose certificates clients must have',
    });
  }
  // Whoever names it wants clients' certificates checked, which would silently not be done.
  if (clientCa !== null && (mode === 'allow' || mode === 'require')) {
    mistakes.push({
      key: 'tls_client_ca',
      message: `has no effect with tls_mode ${mode}; set tls_mode to verify`,
    });
  }
  return mistakes;
}

function readTlsFiles(keys: TlsKeys): { files: TlsFiles; mistakes: readonly TlsMistake[] } {
  const mistakes: TlsMistake[] = [];
  const read = <T>(key: TlsMistake['key'], path: string | null, parse: (pem: string) => T): T | null => {
    if (path === null) return null;
    const { text, failure } = readTextFile(path);
    if (text === null) mistakes.push({ key, message: failure });
    else {
      try {
        return parse(text);
      } catch (error) {
        if (!(error instanceof TlsFilesError)) throw error;
        mistakes.push({ key, message: `${quotePath(path)} ${error.message}` });
      }
    }
    return null;
  };
  if (keys.mode === 'disable') return { files: { pair: null, ca: null }, mistakes };
  const cert = read('tls_cert', keys.cert, parseCertificate);
  const key = read('tls_key', keys.key, parseKey);
  const ca = read('tls_client_ca', keys.clientCa, parseAuthorities);
  if (cert !== null && key !== null) {
    const problem = pairProblem(cert, key);
    if (problem !== null)
      mistakes.push({ key: 'tls_key', message: `${quotePath(keys.key ?? '')} ${problem}` });
  }
  const pair =
    cert === null || key === null
      ? null
      : { cert: cert.pem, key: key.pem, expires: new Date(cert.parsed.validTo) };
  return { files: { pair, ca }, mistakes };
}

interface Parsed<T> {
  readonly pem: string;
  readonly parsed: T;
}

function parseCertificate(pem: string): Parsed<X509Certificate> {
  try {
    return { pem, parsed: new X509Certificate(pem) };
  } catch (cause) {
    throw new TlsFilesError('holds no certificate in PEM form', { cause });
  }
}

function parseKey(pem: string): Parsed<KeyObject> {
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem))
    throw new TlsFilesError('holds a key with a passphrase, which nobody is there to give');
  try {
    return { pem, parsed: createPrivateKey(pem) };
  } catch (cause) {
    throw new TlsFilesError('holds no private key in PEM form', { cause });
  }
}

const CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g;

function parseAuthorities(pem: string): string {
  const found = pem.match(CERTIFICATE) ?? [];
  if (found.length === 0) throw new TlsFilesError('holds no certificate in PEM form');
  for (const one of found) parseCertificate(one);
  return pem;
}

function pairProblem(cert: Parsed<X509Certificate>, key: Parsed<KeyObject>): string | null {
  if (!cert.parsed.checkPrivateKey(key.parsed)) return 'is not the key of tls_cert';
  try {
    // What TLS itself has to say: a key that is too short, an intermediate certificate that is none.
    createSecureContext({ cert: cert.pem, key: key.pem });
    return null;
  } catch (error) {
    return `cannot be used with tls_cert: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** Paths in full. */
function quotePath(path: string): string {
  return quoteValue(path, path.length);
}
