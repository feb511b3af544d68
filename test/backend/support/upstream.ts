import { Upstream, type UpstreamOptions } from '../../../src/backend/upstream.js';
import { ProfileRegistry } from '../../../src/session/profile.js';

/** A server, as the proxy opens sessions on it. */
export function upstreamOf(
  { host, port }: { readonly host: string; readonly port: number },
  over: Partial<UpstreamOptions> = {},
): Upstream {
  return new Upstream(
    {
      address: { host, port },
      connectTimeoutMs: 10_000,
      maxPreparedStatements: 10,
      attributes: {},
      tls: null,
      ...over,
    },
    new ProfileRegistry(),
  );
}
