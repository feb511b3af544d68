import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from '../../src/protocol/constants.js';
import { CLASSIC, commandPayload, errOf, MODERN, RawClient, type RawPacket } from '../support/raw-client.js';
import { executePayload, rowsOf, text } from '../support/raw-values.js';
import { tagOf } from './tags.js';
import type { FuzzWorld } from './world.js';

/** Longer than anything that a client may have to wait for, in ms. */
const ANSWER_WITHIN_MS = 30_000;
const COMMANDS_OF_ONE = 40;

class WrongAnswer extends Error {}

/** Well-behaved clients beside those that are fuzzed, on the same sessions: they get what is theirs, or an error, and nothing else. */
export class Canaries {
  readonly violations: string[] = [];
  answers = 0;
  errors = 0;
  readonly #world: FuzzWorld;
  readonly #running: Promise<void>[];
  #serial: number;
  #over = false;

  /** @param serial - where its marks begin */
  constructor(world: FuzzWorld, count = 2, serial = 1) {
    this.#world = world;
    this.#serial = serial;
    this.#running = Array.from({ length: count }, (_, i) => this.#run(i % 2 === 0 ? MODERN : CLASSIC));
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#running);
  }

  async #run(capabilities: number): Promise<void> {
    while (!this.#over) {
      let client: RawClient | null = null;
      const timer = setTimeout(() => {
        this.violations.push(`a well-behaved client got no answer in ${ANSWER_WITHIN_MS / 1000} s`);
        client?.destroy();
      }, ANSWER_WITHIN_MS);
      try {
        const { host, port, user, password, schema } = this.#world;
        client = await RawClient.login({ host, port, user, password, schema, capabilities });
        await this.#work(client, () => timer.refresh());
      } catch (error) {
        if (error instanceof WrongAnswer) this.violations.push(error.message);
        this.errors++;
        await sleep(2);
      } finally {
        clearTimeout(timer);
        client?.destroy();
      }
    }
  }

  async #work(client: RawClient, answered: () => void): Promise<void> {
    const statement = await client.prepare("SELECT /* CANARY-00000000 */ CONCAT(?, '')");
    for (let left = COMMANDS_OF_ONE; left > 0 && !this.#over; left--) {
      const tag = tagOf('CANARY', this.#serial++);
      await this.#expect(client, tag, client.query(`SELECT '${tag}'`));
      const payload = executePayload(statement, [text(tag)]);
      await this.#expect(client, tag, client.command(Command.StmtExecute, payload, 'results'));
      await client.must(`SET @canary = '${tag}'`);
      await this.#expect(client, tag, client.query(`SELECT /* ${tag} */ @canary`));
      client.send(commandPayload(Command.Query, `SELECT '${tag}' AS a; SELECT '${tag}' AS b`));
      this.#own(tag, await client.reply('results'));
      answered();
    }
  }

  async #expect(client: RawClient, tag: string, answer: Promise<RawPacket[]>): Promise<void> {
    const reply = await answer;
    this.#own(tag, reply);
    if (errOf(reply) !== null) return;
    const rows = rowsOf(reply, client);
    if (rows.length !== 1 || rows[0] !== tag)
      throw new WrongAnswer(`${JSON.stringify(rows)} instead of ${tag}`);
  }

  #own(tag: string, reply: readonly RawPacket[]): void {
    for (const { payload } of reply) {
      const found = /(?:CANARY|FUZZED)-\d{8}/.exec(payload.toString('latin1'))?.[0];
      if (found !== undefined && found !== tag && found !== 'CANARY-00000000')
        throw new WrongAnswer(`${found} came to the client of ${tag}`);
    }
    if (errOf(reply) === null) this.answers++;
    else this.errors++;
  }
}
