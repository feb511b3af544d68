import { formatAddress } from './address.js';
import { type ConfigInput, givenFor, type LoadedFile } from './given.js';
import { poolsMistakes } from './pools.js';
import type { Problem } from './problem.js';
import type { KeyName, KeyValues } from './schema.js';
import { serverTlsProblems, urlTlsProblems, withUpstreamTls } from './server-tls.js';
import { serversMistakes } from './servers.js';
import { tlsMistakes } from './tls-files.js';
import type { UpstreamTarget } from './upstream.js';
import { labelOf } from './yaml-file.js';

/** The one server, or the first of several; undefined where what is said of it is wrong. */
export function upstreamOf({ upstream, servers }: Partial<KeyValues>): UpstreamTarget | null | undefined {
  return upstream === null ? servers?.upstream : upstream;
}

/**
 * Mistakes that no value has by itself, each told where one of the values was set. What is wrong in itself has been told, and is
 * undefined here.
 */
export function mistakesBetween(
  values: Partial<KeyValues>,
  input: ConfigInput,
  file: LoadedFile | null,
): Problem[] {
  return [
    ...clash(values, input, file),
    ...dryRunMistakes(values, input, file),
    ...serversProblems(values, input, file),
    ...poolsProblems(values, input, file),
    ...tlsProblems(values, input, file),
  ];
}

/** The addresses must not collide with each other; told at the one that was set. */
function clash(values: Partial<KeyValues>, input: ConfigInput, file: LoadedFile | null): Problem[] {
  const { http, listen = [] } = values;
  if (http === undefined || http === null || http.port === 0) return [];
  const text = formatAddress(http);
  if (!listen.some((address) => formatAddress(address) === text)) return [];
  const [given] = [...givenFor(input, 'http', file), ...givenFor(input, 'listen', file)];
  return [
    {
      source: given?.locate([]) ?? 'default',
      key: 'http',
      message: `is the same address as one of listen: ${text}`,
    },
  ];
}

/** A dry run is of the other mode; told at the key that asks for it. */
function dryRunMistakes(
  { dryRun, poolMode }: Partial<KeyValues>,
  input: ConfigInput,
  file: LoadedFile | null,
): Problem[] {
  if (dryRun !== true || poolMode !== 'transaction') return [];
  const [given] = givenFor(input, 'dry_run', file);
  const message =
    'finds out what pool_mode transaction would do, while clients have sessions of their own: it needs pool_mode session';
  return [{ source: given?.locate([]) ?? 'default', key: 'dry_run', message }];
}

/** {@link poolsMistakes} */
function* poolsProblems(
  values: Partial<KeyValues>,
  input: ConfigInput,
  file: LoadedFile | null,
): Generator<Problem> {
  const { pools, servers, listen, workers } = values;
  if (pools === undefined || servers === undefined || listen === undefined || workers === undefined) return;
  const schema = upstreamOf(values)?.schema ?? null;
  const [given] = givenFor(input, 'pools', file);
  for (const { path, message } of poolsMistakes({ pools, servers: servers.entries, schema, listen, workers }))
    yield { source: given?.locate(path) ?? 'default', key: labelOf(['pools', ...path]), message };
}

/** {@link serversMistakes}, told at the key that was set. */
function* serversProblems(
  { servers, upstream }: Partial<KeyValues>,
  input: ConfigInput,
  file: LoadedFile | null,
): Generator<Problem> {
  // What is wrong in itself has been told.
  if (servers === undefined || upstream === undefined) return;
  for (const { key, message } of serversMistakes({ servers, upstream })) {
    const [given] = givenFor(input, key, file);
    yield { source: given?.locate([]) ?? 'default', key, message };
  }
}

/** What is wrong with the files for TLS, told at the key that was set. */
function* tlsProblems(
  values: Partial<KeyValues>,
  input: ConfigInput,
  file: LoadedFile | null,
): Generator<Problem> {
  const { tlsMode: mode, tlsCert: cert, tlsKey: key, tlsClientCa: clientCa } = values;
  // What is wrong in itself has been told.
  if (mode === undefined || cert === undefined || key === undefined || clientCa === undefined) return;
  for (const mistake of tlsMistakes({ mode, cert, key, clientCa })) {
    const [given] = givenFor(input, mistake.key, file);
    yield { source: given?.locate([]) ?? 'default', key: mistake.key, message: mistake.message };
  }
}

/** What the files hold that sessions with the servers need; to be called where all else is right. */
export function* serverTlsMistakes(
  values: KeyValues,
  sourceOf: (key: KeyName) => string | null,
): Generator<Problem> {
  const upstream = upstreamOf(values) ?? null;
  yield* urlTlsProblems(values, upstream, sourceOf);
  yield* serverTlsProblems(withUpstreamTls(values, upstream), sourceOf);
}
