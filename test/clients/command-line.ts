import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/** An answer's end is a statement too: where that fails, nothing else would end the waiting. */
const ANSWER_TIMEOUT_MS = 60_000;
/** Ends a statement for the command line, so that semicolons in it are left to the server. */
const DELIMITER = '//';

/** A running command-line client that is asked one statement after the other. */
export class CommandLine {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #encoding: 'utf8' | 'latin1';
  #chunks: Buffer[] = [];
  #serial = 0;
  #ended = false;
  #wake: () => void = () => undefined;

  /** @param encoding of what is sent and received */
  constructor(command: readonly string[], encoding: 'utf8' | 'latin1') {
    this.#encoding = encoding;
    const options = [
      '--batch',
      '--raw',
      '--skip-column-names',
      '--unbuffered',
      '--force',
      `--delimiter=${DELIMITER}`,
    ];
    const schema = command.at(-1) ?? '';
    // Both channels on one: an error has its place among the rows.
    this.#child = spawn('sh', ['-c', 'exec "$@" 2>&1', 'sh', ...command.slice(0, -1), ...options, schema], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.stdout.on('data', (data: Buffer) => {
      this.#chunks.push(data);
      this.#wake();
    });
    this.#child.stdout.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
    // A client that ended is noticed by what it did not print.
    this.#child.stdin.on('error', () => undefined);
  }

  /** Sends statements, or commands of the client's own. @returns the lines it printed: rows, and errors */
  async ask(...statements: string[]): Promise<string[]> {
    const mark = `end-of-answer-${++this.#serial}`;
    const isCommand = (text: string) => /^(\\|use |source )/.test(text);
    const lines = [...statements, `SELECT '${mark}'`].map(
      (text) => `${text}${isCommand(text) ? '' : DELIMITER}\n`,
    );
    this.#child.stdin.write(lines.join(''), this.#encoding);
    await this.#until(Buffer.from(`${mark}\n`));
    const answer = Buffer.concat(this.#chunks).toString(this.#encoding);
    this.#chunks = [];
    return answer
      .slice(0, answer.lastIndexOf(mark))
      .replace(/^-{14}\n[\s\S]*?\n-{14}\n\n(?=ERROR )/gm, '') // a failed statement, shown before its error
      .replace(/^.*\[Warning\] Using a password on the command line.*\n/gm, '')
      .split('\n')
      .slice(0, -1);
  }

  async #until(end: Buffer): Promise<void> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake();
    }, ANSWER_TIMEOUT_MS);
    while (!this.#endsWith(end)) {
      if (this.#ended || late) {
        const last = Buffer.concat(this.#chunks).toString().slice(-300);
        throw new Error(`the client ${late ? 'did not answer' : 'ended'}: ${last}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    clearTimeout(timer);
  }

  /** Ends the input. @returns the exit code */
  async end(): Promise<number> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode ?? -1;
  }

  /** Looks at the last bytes only: an answer may be large, and comes in many pieces. */
  #endsWith(end: Buffer): boolean {
    if ((this.#chunks.at(-1)?.length ?? 0) < end.length) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks.at(-1)?.subarray(-end.length).equals(end) === true;
  }
}
