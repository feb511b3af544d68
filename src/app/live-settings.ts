import type { Logger } from 'pino';
import { CommandRefused, type ConsoleSource, InvalidSetting } from '../admin/console/source.js';
import type { Change, LiveConfig } from '../config/live-config.js';
import { isSettable } from '../config/live-config.js';
import type { Loaded } from '../config/load.js';
import { ConfigError } from '../config/problem.js';
import { KEY_NAMES, type KeyName } from '../config/schema.js';
import type { Setting, SharedSettings, WorkerTeam } from './worker-team.js';

/** Reads the configuration as at the start. @throws ConfigError */
export type Load = () => Loaded;

/** What changes the configuration of the running process: SIGHUP, and RELOAD and SET of the admin console. */
export class LiveSettings implements SharedSettings {
  readonly #live: LiveConfig;
  readonly #load: Load | null;
  readonly #team: Pick<WorkerTeam, 'set' | 'reload' | 'settings'>;
  readonly #log: Logger;
  readonly #given = new Map<string, string>();
  /** Until the others have told what was SET before. */
  #adopting: Promise<void> | null = null;

  /** @param load null where the configuration came from nowhere that could be read again */
  constructor(
    live: LiveConfig,
    load: Load | null,
    team: Pick<WorkerTeam, 'set' | 'reload' | 'settings'>,
    log: Logger,
  ) {
    this.#team = team;
    this.#live = live;
    this.#load = load;
    this.#log = log;
  }

  /** All or nothing. @throws ConfigError */
  reload(): readonly Change[] {
    if (this.#load === null) return [];
    let loaded: Loaded;
    try {
      loaded = this.#load();
    } catch (error) {
      if (error instanceof ConfigError)
        this.#log.error(
          { error: error.message },
          'the configuration that was read anew cannot be used: nothing has changed',
        );
      throw error;
    }
    const changes = this.#live.reload(loaded);
    this.#given.clear();
    // After a change of log_level: at the level that is asked for now.
    this.#log.info({ changes }, 'configuration read anew');
    return changes;
  }

  /** For the console. */
  commands(): Pick<ConsoleSource, 'reload' | 'settings'> {
    return {
      reload: () => {
        try {
          const changes = this.reload().map((change) => ({ ...change }));
          return this.#team.reload().then(() => changes);
        } catch (error) {
          throw error instanceof ConfigError ? new CommandRefused(error.message, { cause: error }) : error;
        }
      },
      settings: new Map(
        KEY_NAMES.filter(isSettable).map((key) => [key, (text: string) => this.#setForAll(key, text)]),
      ),
    };
  }

  given(): readonly Setting[] | null {
    return this.#adopting === null ? [...this.#given].map(([key, text]) => ({ key, text })) : null;
  }

  take(setting: Setting): void | Promise<void> {
    return this.#afterwards(() => this.#take(setting));
  }

  reloadToo(): void | Promise<void> {
    return this.#afterwards(() => void this.reload());
  }

  /** What was SET at other workers before this one was there. Never rejects. */
  adopt(): Promise<void> {
    this.#adopting = this.#adopt().finally(() => {
      this.#adopting = null;
    });
    return this.#adopting;
  }

  /** In the order in which it was said: what is told while the others are being asked was said after what they answer. */
  #afterwards(what: () => void): void | Promise<void> {
    return this.#adopting === null ? what() : this.#adopting.then(what);
  }

  #take({ key, text }: Setting): void {
    const name = KEY_NAMES.find((one) => one === key);
    if (name !== undefined && isSettable(name)) this.#set(name, text);
  }

  async #adopt(): Promise<void> {
    for (const setting of await this.#team.settings()) {
      try {
        this.#take(setting);
      } catch (error) {
        if (!(error instanceof InvalidSetting)) throw error;
        this.#log.warn({ key: setting.key, error: error.message }, 'a value that was SET is none any more');
      }
    }
  }

  #setForAll(key: KeyName, text: string): Promise<void> {
    this.#set(key, text);
    return this.#team.set({ key, text });
  }

  #set(key: KeyName, text: string): void {
    try {
      const change = this.#live.set(key, text);
      this.#given.set(key, text);
      this.#log.info({ changes: [change] }, 'configuration changed by SET');
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const told = error.problems.map((problem) => `${problem.key ?? key}: ${problem.message}`);
      throw new InvalidSetting(told.join('\n'), { cause: error });
    }
  }
}
