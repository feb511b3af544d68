import type { Test } from 'tap';
import type { ServerConnectOptions } from '../../../src/backend/connect.js';
import { Capability } from '../../../src/protocol/constants.js';
import { PayloadReader } from '../../../src/protocol/payload-reader.js';
import { type RawReply, RawSession } from '../../support/raw-session.js';
import { APP_PASSWORD, APP_USER, type TestServer } from '../../support/servers.js';

/** A session as the proxy would open it; it ends with the test. Trackers are armed unless `armed` is false. */
export async function openSession(
  t: Test,
  server: TestServer,
  over: Partial<ServerConnectOptions> & { armed?: boolean } = {},
): Promise<RawSession> {
  const { armed = true, ...options } = over;
  const session = await RawSession.open({
    address: { host: server.host, port: server.port },
    user: APP_USER,
    password: APP_PASSWORD,
    schema: 'app',
    capabilities:
      Capability.MultiStatements |
      Capability.MultiResults |
      Capability.PsMultiResults |
      Capability.LocalFiles,
    collation: 45,
    connectTimeoutMs: 10_000,
    attributes: { program_name: 'truth' },
    ...options,
  });
  t.teardown(() => session.close());
  if (armed) await session.arm();
  return session;
}

/** Collation id in the first column definition of a query's reply. */
export function shownCollation({ packets }: RawReply): number {
  const reader = new PayloadReader(packets[1]?.payload ?? Buffer.alloc(0));
  for (let i = 0; i < 6; i++) reader.lenencBytes();
  reader.lenencInt();
  return reader.uint16();
}
