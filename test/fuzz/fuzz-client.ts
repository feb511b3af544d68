import { constants, publicEncrypt } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import {
  maskedPassword,
  nativeResponse,
  parseGreeting,
  sha2Response,
} from '../protocol/support/client-side.js';
import type { FuzzCase, Write } from './case.js';
import { PacketCutter } from './recorder.js';
import { HASHED } from './world.js';

/* What stands in cases where a client's proof of its password belongs, which depends on the greeting. */
export const NATIVE_PROOF = Buffer.from('native-proof-20bytes');
export const SHA2_PROOF = Buffer.from('caching_sha2-proof-of-32-bytes--');
/** By the hashed user's password. */
export const HASHED_PROOF = Buffer.from('hashed_users-proof-of-32-bytes--');
export const RSA_PROOF = Buffer.alloc(256, 'rsa-encrypted-password-');

/** Whoever says nothing for so long says nothing more, in ms. */
const QUIET_MS = 40;
/** The greeting is waited for: without it no proof can be made. */
const GREETED_WITHIN_MS = 3000;
/** Whatever is done to it, a client's connection ends within this time after its last word, in ms. */
export const ENDS_WITHIN_MS = 20_000;
/** Packets that the outcome tells of. */
const TOLD = 12;

/** How it went for a client. */
export interface Outcome {
  /** The answers in short: what kinds, which errors, how it ended. */
  readonly signature: string;
  /** What must not be. */
  readonly violations: readonly string[];
}

export interface FuzzTarget {
  readonly host: string;
  readonly port: number;
  readonly password: string;
}

/** Sends what a case says, whatever is answered, and tells what came back. @param settled is waited for before the end */
export async function runClientCase(
  target: FuzzTarget,
  { writes, ending }: FuzzCase,
  forbidden: string,
  settled: () => Promise<void> = async () => {},
): Promise<Outcome> {
  const client = new FuzzClient(target, forbidden);
  await client.answered(GREETED_WITHIN_MS);
  for (const write of writes) {
    if (client.closed) break;
    client.write(write);
    if (write.waits) await client.answered();
  }
  await settled();
  if (ending === 'reset') client.socket.resetAndDestroy();
  else {
    for (let left = ending === 'stay' ? 4 : 1; left > 0 && !client.closed; left--) await client.answered();
    client.socket.end();
  }
  return client.outcome();
}

class FuzzClient {
  readonly socket: Socket;
  closed = false;
  readonly #password: string;
  readonly #forbidden: string;
  readonly #packets = new PacketCutter();
  readonly #told: string[] = [];
  readonly #violations: string[] = [];
  #scramble: Buffer = Buffer.alloc(20);
  #key: Buffer | null = null;
  #tail = '';
  #count = 0;
  #wake: () => void = () => {};
  #fresh = false;

  constructor({ host, port, password }: FuzzTarget, forbidden: string) {
    this.#password = password;
    this.#forbidden = forbidden;
    this.socket = connect({ host, port, noDelay: true });
    this.socket.on('data', (bytes: Buffer) => this.#received(bytes));
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  write({ bytes }: Write): void {
    let sent = bytes;
    for (const [mark, proof] of this.#proofs()) {
      const at = sent.indexOf(mark);
      if (at < 0) continue;
      sent = Buffer.concat([sent.subarray(0, at), proof(), sent.subarray(at + mark.length)]);
    }
    this.socket.write(sent);
  }

  /** Until the other side has said something, since this was asked last, or is quiet. */
  async answered(quietMs = QUIET_MS): Promise<void> {
    if (!this.#fresh && !this.closed) await this.#wait(quietMs);
    this.#fresh = false;
  }

  async outcome(): Promise<Outcome> {
    const until = Date.now() + ENDS_WITHIN_MS;
    while (!this.closed && Date.now() < until) await this.#wait(until - Date.now());
    if (!this.closed) {
      this.#violations.push(`hang: not closed ${ENDS_WITHIN_MS / 1000} s after the client's end`);
      this.socket.destroy();
    }
    return { signature: this.#told.join(' '), violations: this.#violations };
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #proofs(): readonly (readonly [Buffer, () => Buffer])[] {
    const scramble = this.#scramble;
    return [
      [NATIVE_PROOF, () => nativeResponse(this.#password, scramble)],
      [SHA2_PROOF, () => sha2Response(this.#password, scramble)],
      [HASHED_PROOF, () => sha2Response(HASHED.password, scramble)],
      [RSA_PROOF, () => this.#encrypted()],
    ];
  }

  #encrypted(): Buffer {
    if (this.#key === null) return RSA_PROOF;
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    return publicEncrypt({ key: this.#key, padding }, maskedPassword(HASHED.password, this.#scramble));
  }

  #received(bytes: Buffer): void {
    this.#fresh = true;
    const text = this.#tail + bytes.toString('latin1');
    if (text.replaceAll(STATEMENT_OF_OTHERS, '').includes(this.#forbidden))
      this.#violations.push(`another client's data: ${this.#forbidden}`);
    this.#tail = text.slice(-this.#forbidden.length);
    if (this.#count <= TOLD) for (const packet of this.#packets.push(bytes)) this.#packet(packet);
    this.#wake();
  }

  #packet(packet: Buffer): void {
    const payload = packet.subarray(4);
    const first = payload[0] ?? -1;
    if (this.#count++ > TOLD) return;
    if (this.#count === 1 && first === 10) {
      this.#scramble = parseGreeting(payload).scramble;
      return;
    }
    if (first === 1 && payload.length > 100) this.#key = Buffer.from(payload.subarray(1));
    this.#told.push(
      first === 0xff && payload.length > 2 ? `E${payload.readUInt16LE(1)}` : kindOf(first, payload.length),
    );
  }
}

function kindOf(first: number, length: number): string {
  if (first === 0 || first === 0xfe || first === 0xfb) return `${first.toString(16)}`;
  return length < 2 ? `n${first}` : 'p';
}

/** In the process list (COM_PROCESS_INFO, SHOW PROCESSLIST) an account sees what its other clients run, as on the server itself. */
const STATEMENT_OF_OTHERS = /S(?:ELECT|ET)\b[^\0]{0,120}?(?:CANARY|FUZZED)-\d{0,8}/g;
