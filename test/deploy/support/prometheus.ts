import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { stringify } from 'yaml';
import { temporaryFolder } from '../../stacks/support/folder.js';
import { freePort, Service } from '../../stacks/support/service.js';

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  /** Time, and the value as text. */
  readonly value: readonly [number, string];
}

export interface RuleState {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

export interface PrometheusOptions {
  readonly job: string;
  /** `HOST:PORT` of what is scraped. */
  readonly targets: readonly string[];
  readonly ruleFiles: readonly string[];
}

/** A real Prometheus that scrapes every second, and ends with the test. */
export class Prometheus {
  readonly #service: Service;

  private constructor(service: Service) {
    this.#service = service;
  }

  static async start(t: Test, { job, targets, ruleFiles }: PrometheusOptions): Promise<Prometheus> {
    const folder = await temporaryFolder(t);
    const config = join(folder, 'prometheus.yml');
    await writeFile(
      config,
      stringify({
        global: { scrape_interval: '1s', evaluation_interval: '1s' },
        rule_files: ruleFiles,
        scrape_configs: [{ job_name: job, static_configs: [{ targets }] }],
      }),
    );
    const port = await freePort();
    const service = await Service.start(t, {
      name: 'prometheus',
      words: [
        'prometheus',
        `--config.file=${config}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--log.level=warn',
      ],
      port,
    });
    return new Prometheus(service);
  }

  /** The value of an expression at this moment. @throws what Prometheus says of a mistake */
  async query(expr: string): Promise<readonly Sample[]> {
    const data = await this.#get<{ result: Sample[] }>(`query?${new URLSearchParams({ query: expr })}`);
    return data.result;
  }

  async rules(): Promise<readonly RuleState[]> {
    const { groups } = await this.#get<{ groups: { rules: RuleState[] }[] }>('rules');
    return groups.flatMap(({ rules }) => rules);
  }

  async #get<T>(path: string): Promise<T> {
    const answer = await (await fetch(`${this.#service.url}/api/v1/${path}`)).text();
    // It says 503 in plain text until it is ready.
    const { status, data, error } = answer.startsWith('{')
      ? (JSON.parse(answer) as { status: string; data: T; error?: string })
      : { status: 'error', data: null as T, error: answer };
    if (status !== 'success') throw new Error(`${path}: ${error}`);
    return data;
  }
}
