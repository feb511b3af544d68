import t from 'tap';
import { Command } from '../../src/protocol/constants.js';
import { proxied } from '../support/proxied.js';
import { commandPayload, loginOf, packets, RawClient } from '../support/raw-client.js';
import { forEachServer } from '../support/servers.js';

/** COM_STMT_EXECUTE of a statement that was never prepared: answered here, with more bytes than a PING. */
const COMMAND = packets(
  commandPayload(
    Command.StmtExecute,
    Buffer.concat([Buffer.of(7, 7, 0, 0, 0, 1, 0, 0, 0), Buffer.alloc(50)]),
  ),
)[0] as Buffer;
const PER_CHUNK = 1_000;
/** 64 MB: far more than the kernel takes on the way. */
const CHUNKS = 1_000;
/** Round trips to the proxy in which nothing moved. */
const QUIET = 20;

await forEachServer(t, async (t, server) => {
  await t.test('a client that does not read replies made here is not read from', async (t) => {
    const { proxy } = await proxied(t, server, ['--pool-size', '1']);
    const client = await RawClient.login(loginOf(proxy.url));
    t.teardown(() => client.destroy());
    const { socket } = client;
    const chunk = Buffer.concat(Array<Buffer>(PER_CHUNK).fill(COMMAND));
    socket.pause();
    let written = 0;
    let accepted = 0;
    let stop = false;
    const writing = (async () => {
      while (written < CHUNKS && !stop) {
        written++;
        await new Promise<void>((resolve) => socket.write(chunk, () => resolve()));
        accepted++;
      }
    })();
    for (let quiet = 0, before = -1; quiet < QUIET && accepted < CHUNKS; ) {
      await proxy.metric('mybouncer_client_connections');
      quiet = accepted === before ? quiet + 1 : 0;
      before = accepted;
    }
    t.ok(accepted < written, `the proxy stopped reading after ${accepted} of ${CHUNKS} chunks`);
    stop = true;
    for (let i = 0; i < written * PER_CHUNK; i++) {
      const { payload } = await client.expect();
      if (payload[0] !== 0xff || payload.readUInt16LE(1) !== 1243) t.fail(`reply ${i}`);
    }
    await writing;
    t.equal(await client.value('SELECT 7'), '7', 'each reply came, and it goes on');
  });
});
