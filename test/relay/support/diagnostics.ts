import type { Proxied } from '../../support/proxied.js';
import { CLASSIC, loginOf, RawClient, type RawPacket } from '../../support/raw-client.js';

/** What statements that leave something to be asked for are about. */
export async function createTables(world: Proxied): Promise<void> {
  const setup = await world.connect();
  await setup.run(
    'CREATE TABLE t(id INT AUTO_INCREMENT PRIMARY KEY, u INT UNIQUE, v INT NOT NULL DEFAULT 0)',
  );
  await setup.run('CREATE TABLE notes(v INT)');
  await setup.run('CREATE PROCEDURE counts() UPDATE t SET v=v+1');
  await setup.run('CREATE PROCEDURE shows() SELECT id FROM t');
  await setup.end();
}

/** One of the server itself and two of the proxy. */
export async function threeClients({
  proxy,
  server,
  schema,
}: Proxied): Promise<readonly [direct: RawClient, client: RawClient, other: RawClient]> {
  const login = (url: string): Promise<RawClient> => RawClient.login(loginOf(url, { capabilities: CLASSIC }));
  return Promise.all([login(server.url(schema)), login(proxy.url), login(proxy.url)]);
}

/** How many warnings there were before the rows, only a server that sends EOFs can tell. */
export function hex(packet: RawPacket): string {
  const { sequenceId } = packet;
  const payload = Buffer.from(packet.payload);
  if (packet.endsColumns) payload.writeUInt16LE(0, 1);
  return `${sequenceId} ${payload.toString('hex')} ${payload.toString('latin1').replace(/[^\x20-\x7e]/g, '.')}`;
}
