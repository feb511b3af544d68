import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Command } from '../../src/protocol/constants.js';
import type { TcpAddress } from '../support/listening.js';
import type { FuzzCase } from './case.js';
import { isFilePart, PacketCutter, type Transcript } from './recorder.js';
import { isSilent } from './reply-end.js';
import { sameForAll, withTagsOf } from './tags.js';

/** OK, autocommit, nothing else. */
const PLAIN_OK = Buffer.from('0700000100000002000000', 'hex');
const KILL = /^KILL (?:QUERY |CONNECTION )?(\d+)/i;

/** Requests that get the same answer. Who executes a statement says so in its values; its id is another on each connection. */
function keyOf(payload: string): string {
  const key = sameForAll(payload);
  if (payload.charCodeAt(0) !== Command.StmtExecute) return key;
  return payload.includes('CANARY-') ? 'execute' : `execute ${key.slice(5)}`;
}

/** A connection that was not quite right goes on for so long, in ms. */
const LIVES_ON_MS = 400;

/** What a connection answers for a while in place of what is right. */
interface Act {
  readonly fuzzed: FuzzCase;
  next: number;
}

/** Answers what a real server was recorded to answer, except where a case says otherwise. */
export class ReplayServer {
  readonly #greeting: Buffer;
  readonly #logins: readonly Buffer[];
  readonly #replies = new Map<string, Buffer>();
  readonly #server: Server;
  readonly #connections = new Map<number, Connection>();
  /** By the number that stands in the statement. */
  readonly cases = new Map<string, FuzzCase>();
  /** Requests that no recording answers. */
  readonly unknown = new Set<string>();
  #serial = 1000;

  private constructor(transcripts: readonly Transcript[]) {
    const [first] = transcripts;
    if (first === undefined) throw new Error('nothing was recorded');
    this.#greeting = first.greeting;
    this.#logins = first.exchanges.slice(0, first.logins).map(({ reply }) => reply);
    for (const { exchanges, logins } of transcripts)
      for (const { request, reply } of exchanges.slice(logins)) {
        const key = keyOf(request.toString('latin1', 4));
        if (!this.#replies.has(key))
          this.#replies.set(key, Buffer.from(sameForAll(reply.toString('latin1')), 'latin1'));
      }
    this.#server = createServer((socket) => {
      const id = ++this.#serial;
      this.#connections.set(id, new Connection(this, socket, id));
      socket.on('close', () => this.#connections.delete(id));
    });
  }

  static async open(transcripts: readonly Transcript[]): Promise<ReplayServer> {
    const replay = new ReplayServer(transcripts);
    replay.#server.listen(0, '127.0.0.1');
    await once(replay.#server, 'listening');
    return replay;
  }

  get address(): TcpAddress {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  /** A URL of the recorded server's, of this. */
  url(upstream: string): string {
    const url = new URL(upstream);
    url.port = String(this.address.port);
    return url.href;
  }

  greeting(id: number): Buffer {
    const greeting = Buffer.from(this.#greeting);
    greeting.writeUInt32LE(id, greeting.indexOf(0, 5) + 1);
    return greeting;
  }

  login(step: number): Buffer {
    return this.#logins[Math.min(step, this.#logins.length - 1)] ?? PLAIN_OK;
  }

  get loginSteps(): number {
    return this.#logins.length;
  }

  /** Null where no answer is due. */
  replyTo(packet: Buffer): Buffer | null {
    if (isSilent(packet[4] ?? 0) || isFilePart(packet)) return null;
    const payload = packet.toString('latin1', 4);
    const known = this.#replies.get(keyOf(payload));
    if (known !== undefined) return withTagsOf(payload, known);
    const killed = KILL.exec(payload.slice(1))?.[1];
    if (killed !== undefined && packet[4] === Command.Query) this.#connections.get(Number(killed))?.end();
    else this.unknown.add(payload);
    return PLAIN_OK;
  }

  close(): void {
    this.#server.close();
    for (const connection of this.#connections.values()) connection.end();
  }
}

class Connection {
  readonly #server: ReplayServer;
  readonly #socket: Socket;
  readonly #packets = new PacketCutter();
  #login = 0;
  #act: Act | null = null;
  /** How it is to end once what is said now has been said. */
  #ending: FuzzCase['ending'] | null = null;

  constructor(server: ReplayServer, socket: Socket, id: number) {
    this.#server = server;
    this.#socket = socket.setNoDelay(true).on('error', () => {});
    socket.on('data', (bytes) => {
      const answers = this.#packets.push(bytes).map((packet) => this.#answer(packet));
      const answer = Buffer.concat(answers);
      // In one write: what comes later could be taken for the answer to somebody else's command, by anybody.
      if (answer.length > 0) socket.write(answer);
      if (this.#ending !== null) this.#end(this.#ending);
    });
    socket.write(server.greeting(id));
  }

  end(): void {
    this.#socket.destroy();
  }

  #end(ending: FuzzCase['ending']): void {
    this.#ending = null;
    if (ending === 'fin') this.#socket.end();
    else if (ending === 'reset') this.#socket.resetAndDestroy();
  }

  #answer(packet: Buffer): Buffer {
    if (this.#login < this.#server.loginSteps) return this.#server.login(this.#login++);
    if (packet[4] === Command.Quit && packet.length === 5) this.#ending = 'fin';
    const payload = packet.toString('latin1', 4);
    const number = /FUZZED-(\d{8})/.exec(payload)?.[1];
    const fuzzed = number === undefined ? undefined : this.#server.cases.get(number);
    if (fuzzed !== undefined && this.#act?.fuzzed !== fuzzed) {
      this.#act = { fuzzed, next: 0 };
      // Whoever waits for the rest of what was begun would wait for ever, and be right to.
      setTimeout(() => this.end(), LIVES_ON_MS).unref();
    }
    // The other one always gets what it is due.
    if (payload.includes('CANARY-')) this.#act = null;
    const act = this.#act;
    if (act === null) return this.#server.replyTo(packet) ?? Buffer.alloc(0);
    if (isSilent(packet[4] ?? 0) || isFilePart(packet)) return Buffer.alloc(0);
    const parts: Buffer[] = [];
    for (;;) {
      const write = act.fuzzed.writes[act.next++];
      if (write === undefined) break;
      parts.push(write.bytes);
      if (write.waits) break;
    }
    if (act.next >= act.fuzzed.writes.length) {
      this.#act = null;
      this.#ending = act.fuzzed.ending;
    }
    return parts.length === 0 ? (this.#server.replyTo(packet) ?? Buffer.alloc(0)) : Buffer.concat(parts);
  }
}
