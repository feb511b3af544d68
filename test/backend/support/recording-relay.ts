import type { Test } from 'tap';
import { HEADER_SIZE } from '../../../src/protocol/constants.js';
import { listening, onward, type TcpAddress } from '../../support/listening.js';

/** Stands between a client and a real server, passes every byte on and remembers it. */
export class RecordingRelay {
  readonly address: TcpAddress;
  readonly #fromServer: Buffer[] = [];
  readonly #fromClient: Buffer[] = [];

  private constructor(address: TcpAddress) {
    this.address = address;
  }

  /** Ends with the test. */
  static async start(t: Test, server: TcpAddress): Promise<RecordingRelay> {
    const address = await listening(t, (client) => {
      const upstream = onward(client, server);
      client.on('data', (data: Buffer) => relay.#fromClient.push(data));
      upstream.on('data', (data: Buffer) => relay.#fromServer.push(data));
      client.pipe(upstream).pipe(client);
    });
    const relay = new RecordingRelay(address);
    return relay;
  }

  /** Payloads of all whole packets the client has sent so far, then forgets them. */
  takeClientPackets(): Buffer[] {
    return payloads(Buffer.concat(this.#fromClient.splice(0)));
  }

  takeServerPackets(): Buffer[] {
    return payloads(Buffer.concat(this.#fromServer.splice(0)));
  }
}

function payloads(bytes: Buffer): Buffer[] {
  const found = [];
  for (let pos = 0; pos + HEADER_SIZE <= bytes.length; ) {
    const end = pos + HEADER_SIZE + bytes.readUIntLE(pos, 3);
    found.push(bytes.subarray(pos + HEADER_SIZE, end));
    pos = end;
  }
  return found;
}
