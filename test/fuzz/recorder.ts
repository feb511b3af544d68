import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { TcpAddress } from '../support/listening.js';
import { isSilent, ReplyEnd } from './reply-end.js';

/** One request of a client's, which may be any of its packets, and the whole answer; both as they were sent. */
export interface Exchange {
  readonly request: Buffer;
  readonly reply: Buffer;
}

/** What was said on one connection. */
export interface Transcript {
  greeting: Buffer;
  /** The login comes first. */
  readonly exchanges: Exchange[];
  /** How many of them are the login. */
  logins: number;
  /** Every byte of the client's, in its writes. */
  readonly sent: Buffer[];
}

/** Cuts a stream into packets, with their headers. */
export class PacketCutter {
  #pending: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): Buffer[] {
    this.#pending = Buffer.concat([this.#pending, bytes]);
    const packets: Buffer[] = [];
    for (;;) {
      const size = this.#pending.length < 4 ? Number.POSITIVE_INFINITY : 4 + this.#pending.readUIntLE(0, 3);
      if (this.#pending.length < size) return packets;
      packets.push(Buffer.from(this.#pending.subarray(0, size)));
      this.#pending = this.#pending.subarray(size);
    }
  }
}

/** Of LOAD DATA LOCAL's file: the empty packet behind it is what is answered. */
export function isFilePart(packet: Buffer): boolean {
  return packet[3] !== 0 && packet.length > 4;
}

/** Writes down what clients that speak DEPRECATE_EOF and a server say to each other. */
export class Recorder {
  readonly transcripts: Transcript[] = [];
  readonly #target: TcpAddress;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: TcpAddress) {
    this.#target = target;
    this.#server = createServer((socket) => this.#record(socket));
  }

  static async open(target: TcpAddress): Promise<Recorder> {
    const recorder = new Recorder(target);
    recorder.#server.listen(0, '127.0.0.1');
    await once(recorder.#server, 'listening');
    return recorder;
  }

  get address(): TcpAddress {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  /** A URL of the target's by way of this. */
  url(upstream: string): string {
    const url = new URL(upstream);
    url.port = String(this.address.port);
    return url.href;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #record(near: Socket): void {
    const far = connect(this.#target);
    const transcript: Transcript = { greeting: Buffer.alloc(0), exchanges: [], logins: 0, sent: [] };
    this.transcripts.push(transcript);
    const listener = new Listener(transcript);
    for (const [one, other] of [[near, far] as const, [far, near] as const]) {
      this.#sockets.add(one);
      one.setNoDelay(true).on('error', () => {});
      one.on('close', () => {
        this.#sockets.delete(one);
        other.destroySoon();
      });
    }
    near.on('data', (bytes) => {
      transcript.sent.push(Buffer.from(bytes));
      listener.fromClient(bytes);
      far.write(bytes);
    });
    far.on('data', (bytes) => {
      listener.fromServer(bytes);
      near.write(bytes);
    });
  }
}

/** Tells which answer belongs to which request, pipelined ones included. */
class Listener {
  readonly #transcript: Transcript;
  readonly #client = new PacketCutter();
  readonly #server = new PacketCutter();
  readonly #requests: Buffer[] = [];
  #reply: Buffer[] = [];
  #end: ReplyEnd | null = null;
  #inLogin = true;

  constructor(transcript: Transcript) {
    this.#transcript = transcript;
  }

  fromClient(bytes: Buffer): void {
    for (const packet of this.#client.push(bytes)) {
      if (!this.#inLogin && (isSilent(packet[4] ?? 0) || isFilePart(packet))) continue;
      this.#requests.push(packet);
    }
  }

  fromServer(bytes: Buffer): void {
    for (const packet of this.#server.push(bytes)) {
      if (this.#transcript.greeting.length === 0) this.#transcript.greeting = packet;
      else this.#packet(packet);
    }
  }

  #packet(packet: Buffer): void {
    const [request] = this.#requests;
    if (request === undefined) return;
    this.#end ??= new ReplyEnd(this.#inLogin ? -1 : (request[4] ?? 0));
    this.#reply.push(packet);
    if (!this.#end.push(packet.subarray(4))) return;
    this.#requests.shift();
    this.#transcript.exchanges.push({ request, reply: Buffer.concat(this.#reply) });
    this.#reply = [];
    this.#end = null;
    if (this.#inLogin) this.#transcript.logins++;
    if (this.#inLogin && packet[4] === 0) this.#inLogin = false;
  }
}
