import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { build, projectFolder, succeeds } from '../../clients/conformance.js';
import { deployPath, readYaml } from './deploy-files.js';

export const CHART = 'helm/mybouncer';

interface ChartFile {
  readonly name: string;
  readonly version: string;
  readonly appVersion: string;
}

export type Values = { readonly [key: string]: unknown };

export const defaultValues = (): Values => readYaml<Values>(`${CHART}/values.yaml`);

/** As Helm puts values of the user's over those of the chart. */
export function merged(base: Values, over: Values): Values {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = result[key];
    result[key] = isMap(below) && isMap(value) ? merged(below, value) : value;
  }
  return result;
}

const isMap = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Go's templates as Helm has them: see helm-render.go. */
export class ChartRenderer {
  readonly #program: string;

  private constructor(program: string) {
    this.#program = program;
  }

  /** @param folder for the compiled program. @returns null where Go or its libraries are missing */
  static async start(folder: string): Promise<ChartRenderer | null> {
    // From the distribution's sources alone: no module, and no proxy of modules, is asked for.
    const env = {
      GO111MODULE: 'off',
      GOPATH: '/usr/share/gocode',
      GOFLAGS: '',
      GOCACHE: join(folder, 'cache'),
    };
    for (const library of ['github.com/Masterminds/sprig', 'gopkg.in/yaml.v3'])
      if (!(await succeeds(['go', 'list', library], env))) return null;
    const program = join(folder, 'helm-render');
    await build(['go', 'build', '-o', program, join(projectFolder(), 'test/deploy/helm-render.go')], env);
    return new ChartRenderer(program);
  }

  /** @returns the text of each template. @throws what is wrong with templates or values */
  async render(release: string, over: Values): Promise<Readonly<Record<string, string>>> {
    const { name, version, appVersion } = readYaml<ChartFile>(`${CHART}/Chart.yaml`);
    const child = spawn(this.#program, [deployPath(`${CHART}/templates`)], { stdio: 'pipe' });
    const given = {
      chart: { Name: name, Version: version, AppVersion: appVersion },
      release: { Name: release, Namespace: 'shop', Service: 'Helm' },
      values: merged(defaultValues(), over),
    };
    child.stdin.end(JSON.stringify(given));
    const [output, complaint, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    if (code !== 0) throw new Error(complaint.trim());
    return JSON.parse(output) as Record<string, string>;
  }
}
