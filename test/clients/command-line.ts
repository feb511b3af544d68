import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/** Ends a statement for the command line, so that semicolons in it are left to the server. */
const DELIMITER = '//';

/** A running command-line client that is asked one statement after the other. */
export class CommandLine {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #encoding: 'utf8' | 'latin1';
  #chunks: Buffer[] = [];
  #serial = 0;

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
    this.#child.stdout.on('data', (data: Buffer) => this.#chunks.push(data));
    // A client that ended is noticed by what it did not print.
    this.#child.stdin.on('error', () => undefined);
  }

  /** Sends one line of input with its delimiter. @returns the lines it printed: rows, and errors */
  async ask(sql: string): Promise<string[]> {
    const mark = `end-of-answer-${++this.#serial}`;
    const command = /^(\\|use |source )/.test(sql) ? `${sql}\n` : `${sql}${DELIMITER}\n`;
    this.#child.stdin.write(`${command}SELECT '${mark}'${DELIMITER}\n`, this.#encoding);
    const end = Buffer.from(`${mark}\n`);
    while (this.#chunks.at(-1)?.includes(end) !== true && !this.#whole().subarray(-end.length).equals(end)) {
      if (this.#child.exitCode !== null)
        throw new Error(`the client ended: ${this.#whole().toString().slice(-300)}`);
      await Promise.race([once(this.#child.stdout, 'data'), once(this.#child, 'exit')]);
    }
    const answer = this.#whole().toString(this.#encoding);
    this.#chunks = [];
    const lines = answer.slice(0, answer.lastIndexOf(mark)).split('\n').slice(0, -1);
    // What the MySQL command line says about itself on its error channel.
    return lines.filter((line) => !line.includes('[Warning] Using a password'));
  }

  /** Ends the input. @returns the exit code */
  async end(): Promise<number> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
    return this.#child.exitCode ?? -1;
  }

  #whole(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}
