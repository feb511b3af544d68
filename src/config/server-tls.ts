import { createSecureContext } from 'node:tls';
import { readTextFile } from './password-file.js';
import type { Problem } from './problem.js';
import type { KeyName, KeyValues } from './schema.js';
import type { UpstreamTarget } from './upstream.js';

/* What the keys about TLS to the server demand of each other, of the files that they name, and of the upstream URL. */

type TlsKey = 'server_tls_mode' | 'server_tls_ca' | 'server_tls_cert' | 'server_tls_key';

const URL_PARAMETERS = {
  serverTlsMode: { key: 'server_tls_mode', parameter: 'ssl-mode' },
  serverTlsCa: { key: 'server_tls_ca', parameter: 'ssl-ca' },
  serverTlsCert: { key: 'server_tls_cert', parameter: 'ssl-cert' },
  serverTlsKey: { key: 'server_tls_key', parameter: 'ssl-key' },
} as const satisfies Readonly<Record<string, { readonly key: TlsKey; readonly parameter: string }>>;

export type ServerTlsValues = Pick<
  KeyValues,
  'serverTlsMode' | 'serverTlsCa' | 'serverTlsCert' | 'serverTlsKey' | 'serverTlsMinVersion'
>;

/** The keys, with what the upstream URL says in place of their defaults. */
export function withUpstreamTls<T extends ServerTlsValues>(values: T, upstream: UpstreamTarget | null): T {
  return { ...values, ...upstream?.tls };
}

/** Where a key was given; null where it was not. */
export type SourceOf = (key: KeyName) => string | null;

/** What the URL and the keys say must not differ: which of them would count? */
export function* urlTlsProblems(
  values: ServerTlsValues,
  upstream: UpstreamTarget | null,
  sourceOf: SourceOf,
): Generator<Problem> {
  for (const [name, { key, parameter }] of Object.entries(URL_PARAMETERS)) {
    const source = sourceOf(key);
    const inUrl = upstream?.tls?.[name as keyof typeof URL_PARAMETERS];
    const value = values[name as keyof typeof URL_PARAMETERS];
    // An empty path is none, and so says nothing.
    if (source === null || inUrl === undefined || value === null) continue;
    if (inUrl !== value)
      yield { source, key, message: `contradicts ${parameter} in the URL of upstream; give one of them` };
  }
}

/** @param values - those of {@link withUpstreamTls} */
export function* serverTlsProblems(values: ServerTlsValues, sourceOf: SourceOf): Generator<Problem> {
  const { serverTlsMode: mode, serverTlsCa: ca, serverTlsCert: cert, serverTlsKey: key } = values;
  const problem = (name: TlsKey, message: string): Problem => ({
    source: sourceOf(name) ?? sourceOf('upstream') ?? 'default',
    key: name,
    message,
  });
  if (ca !== null && mode !== 'verify_ca' && mode !== 'verify_full')
    yield problem(
      'server_tls_ca',
      `is not looked at while server_tls_mode is ${mode}; set verify_ca or verify_full`,
    );
  if (cert !== null && key === null) yield problem('server_tls_cert', 'needs server_tls_key as well');
  if (key !== null && cert === null) yield problem('server_tls_key', 'needs server_tls_cert as well');
  if (mode === 'disable' && (cert !== null || key !== null))
    yield problem('server_tls_cert', 'is not used while server_tls_mode is disable');
  if (ca !== null) {
    const message = unusable({ ca });
    if (message !== null) yield problem('server_tls_ca', message);
  }
  if (cert !== null && key !== null) {
    const message = unusable({ cert, key });
    if (message !== null) yield problem('server_tls_cert', message);
  }
}

/** What is wrong with files that OpenSSL is to take together. Its reasons quote nothing of them. */
function unusable(paths: Readonly<Record<string, string>>): string | null {
  const texts: Record<string, string> = {};
  for (const [name, path] of Object.entries(paths)) {
    const { text, failure } = readTextFile(path);
    if (text === null) return failure;
    if (name === 'ca' && !text.includes('-----BEGIN'))
      return `${JSON.stringify(path)} holds no certificate in PEM form`;
    texts[name] = text;
  }
  try {
    createSecureContext(texts);
    return null;
  } catch (error) {
    const reason = error instanceof Error && 'reason' in error ? String(error.reason) : String(error);
    return `${Object.values(paths)
      .map((path) => JSON.stringify(path))
      .join(' and ')} cannot be used: ${reason}`;
  }
}
