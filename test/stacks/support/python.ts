import type { Test } from 'tap';
import { freePort, Service } from './service.js';
import { stackFolder } from './stack.js';

export interface GunicornOptions {
  readonly interpreter: string;
  /** Module and callable, such as `django_app:application`, in {@link stackFolder}. */
  readonly app: string;
  readonly workers: number;
  /** More of gunicorn's own arguments. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** An app under gunicorn, which ends with the test, its workers as well. */
export class Gunicorn {
  readonly #service: Service;

  private constructor(service: Service) {
    this.#service = service;
  }

  /** `http://HOST:PORT` */
  get url(): string {
    return this.#service.url;
  }

  /** Resolves when it listens. */
  static async start(
    t: Test,
    { interpreter, app, workers, args = [], env = {} }: GunicornOptions,
  ): Promise<Gunicorn> {
    const port = await freePort();
    const service = await Service.start(t, {
      name: 'gunicorn',
      words: [
        interpreter,
        '-m',
        'gunicorn.app.wsgiapp',
        '--config=support/gunicorn_config.py',
        `--bind=127.0.0.1:${port}`,
        `--workers=${workers}`,
        ...args,
        app,
      ],
      cwd: stackFolder(),
      env: { PYTHONDONTWRITEBYTECODE: '1', ...env },
      port,
      // In good order it takes longer to end, and leaves nothing that would need it.
      stopSignal: 'SIGKILL',
    });
    return new Gunicorn(service);
  }

  /** Of the JSON that a path answers with. @throws when the answer is no success */
  async get(path: string): Promise<unknown> {
    const response = await fetch(`${this.url}${path}`);
    const text = await response.text();
    if (!response.ok)
      throw new Error(`${path}: ${response.status} ${text}\n${this.#service.output.join('\n')}`);
    return JSON.parse(text);
  }

  stop(): Promise<void> {
    return this.#service.stop();
  }
}
