import { Command } from '../../src/protocol/constants.js';

/** Finds where replies end in what a server sends under DEPRECATE_EOF; written from the protocol's pages. */

const MORE_RESULTS = 0x8;
const FULL_PACKET = 0xffffff;

/** Commands that are not answered. */
const SILENT: ReadonlySet<number> = new Set([Command.StmtSendLongData, Command.StmtClose, Command.Quit]);

export function isSilent(command: number): boolean {
  return SILENT.has(command);
}

/** Takes packets (payloads) of one reply; true from `push` means that it was the last. */
export class ReplyEnd {
  readonly #command: number;
  #state: 'first' | 'definitions' | 'rows' = 'first';
  #definitions = 0;

  /** @param command -1: a packet of the login */
  constructor(command: number) {
    this.#command = command;
    if (command === Command.StmtFetch) this.#state = 'rows';
  }

  push(payload: Buffer): boolean {
    const head = payload[0] ?? 0;
    if (head === 0xff) return true;
    switch (this.#state) {
      case 'first':
        return this.#first(payload, head);
      case 'definitions':
        if (--this.#definitions > 0) return false;
        if (this.#command === Command.StmtPrepare) return true;
        this.#state = 'rows';
        return false;
      case 'rows':
        if (head !== 0xfe || payload.length >= FULL_PACKET) return false;
        return this.#over(payload);
    }
  }

  #first(payload: Buffer, head: number): boolean {
    switch (this.#command) {
      case -1:
        // caching_sha2_password: the password is right, and the OK follows.
        return !(head === 1 && payload[1] === 3);
      case Command.StmtPrepare:
        this.#definitions = payload.readUInt16LE(5) + payload.readUInt16LE(7);
        this.#state = 'definitions';
        return this.#definitions === 0;
      case Command.Query:
      case Command.StmtExecute: {
        if (head === 0x00) return this.#over(payload);
        // LOCAL INFILE: the client goes on.
        if (head === 0xfb) return true;
        this.#definitions = lenenc(payload, 0).value;
        this.#state = 'definitions';
        return false;
      }
      default:
        return true;
    }
  }

  #over(ok: Buffer): boolean {
    const first = lenenc(ok, 1);
    const second = lenenc(ok, first.end);
    this.#state = 'first';
    return (ok.readUInt16LE(second.end) & MORE_RESULTS) === 0;
  }
}

function lenenc(buf: Buffer, at: number): { value: number; end: number } {
  const lead = buf[at] ?? 0;
  if (lead < 0xfb) return { value: lead, end: at + 1 };
  const width = lead === 0xfc ? 2 : lead === 0xfd ? 3 : 6;
  return { value: buf.readUIntLE(at + 1, width), end: at + 1 + (lead === 0xfe ? 8 : width) };
}
