import type { Test } from 'tap';
import { ask } from './ask.js';
import { KeptClient, KeptGroup, type KeptPlan, type Kind } from './kept-connections.js';
import { Gunicorn } from './python.js';

/** Requests to Django under gunicorn, whose workers keep their connections: a client is whoever sends them. */
export async function djangoClients(
  t: Test,
  python: string,
  workers: number,
  plan: KeptPlan,
): Promise<KeptGroup> {
  const app = await Gunicorn.start(t, {
    interpreter: python,
    app: 'django_kept:application',
    workers,
    env: { MYBOUNCER_TEST_URL: plan.url },
  });
  const opened = new Map<unknown, number>();
  return new KeptGroup(plan, (kind, number) => {
    const client = new DjangoClient(plan, kind, number, app, opened);
    t.teardown(() => client.pause());
    return client;
  });
}

class DjangoClient extends KeptClient {
  readonly #app: Gunicorn;
  /** Connections of each worker, by its process id. */
  readonly #opened: Map<unknown, number>;

  constructor(plan: KeptPlan, kind: Kind, number: number, app: Gunicorn, opened: Map<unknown, number>) {
    super(plan, kind, number);
    this.#app = app;
    this.#opened = opened;
  }

  protected override async once(n: number): Promise<boolean> {
    const { status, body } = await ask(`${this.#app.url}/${this.kind}/${this.name}/${n}`);
    if (status !== 200) {
      this.failed(n, Number(body?.['errno'] ?? 0), String(body?.['text'] ?? `HTTP status ${status}`));
      return false;
    }
    const opened = Number(body?.['opened']);
    this.connects += opened - (this.#opened.get(body?.['pid']) ?? 0);
    this.#opened.set(body?.['pid'], opened);
    return true;
  }
}
