import { createRequire } from 'node:module';
import { readDeployed } from './deploy-files.js';

// Both are CommonJS, and do not tell their names to an import.
const require = createRequire(import.meta.url);
const { DockerfileParser } = require('dockerfile-ast') as typeof import('dockerfile-ast');
const { validate } = require('dockerfile-utils') as typeof import('dockerfile-utils');

export interface Step {
  /** In capitals. */
  readonly keyword: string;
  /** All behind it, flags excluded, on one line. */
  readonly text: string;
  readonly flags: Readonly<Record<string, string>>;
}

export interface Stage {
  readonly name: string | null;
  /** With the arguments' defaults filled in. */
  readonly image: string;
  readonly steps: readonly Step[];
}

interface Flagged {
  getFlags?(): readonly { getName(): string; getValue(): string | null }[];
}

const DOCKERFILE = 'Dockerfile';

/** What is wrong with it, by a linter. */
export function mistakes(text = readDeployed(DOCKERFILE)): readonly string[] {
  return validate(text).map(({ message }) => (typeof message === 'string' ? message : message.value));
}

export function readDockerfile(): readonly Stage[] {
  const stages: { name: string | null; image: string; steps: Step[] }[] = [];
  const defaults: Record<string, string> = {};
  for (const instruction of DockerfileParser.parse(readDeployed(DOCKERFILE)).getInstructions()) {
    const keyword = instruction.getKeyword();
    const found = (instruction as Flagged).getFlags?.() ?? [];
    const flags = Object.fromEntries(found.map((flag) => [flag.getName(), flag.getValue() ?? '']));
    const text = (instruction.getArgumentsContent() ?? '')
      .replace(/\\\n/g, ' ')
      .replace(/\s+/g, ' ')
      .replace(/^(--\S+ )+/, '');
    const stage = stages.at(-1);
    if (keyword === 'FROM') {
      const [, image = '', name = null] = /^(\S+)(?: AS (\S+))?$/i.exec(text) ?? [];
      stages.push({ name, image: filledIn(image, defaults), steps: [] });
    } else if (stage !== undefined) stage.steps.push({ keyword, text, flags });
    else {
      const [, name = '', value = ''] = /^(\w+)=(.*)$/.exec(text) ?? [];
      defaults[name] = value;
    }
  }
  return stages;
}

function filledIn(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => values[name] ?? '');
}

/** The words of a command in exec form. @throws where it has a shell's form */
export function execForm(text: string): readonly [string, ...string[]] {
  const [program, ...words] = JSON.parse(text) as string[];
  if (program === undefined) throw new SyntaxError('a command without a word');
  return [program, ...words];
}

/** Of the last instruction of its kind. @throws where there is none */
export function only({ steps }: Stage, keyword: string): Step {
  const step = steps.findLast((one) => one.keyword === keyword);
  if (step === undefined) throw new Error(`there is no ${keyword}`);
  return step;
}
