import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Ajv } from 'ajv';
import t from 'tap';
import { projectFolder } from '../clients/conformance.js';
import { ConfigChecker } from './support/check-config.js';
import { deployPath, parseDocuments, readDeployed } from './support/deploy-files.js';

/* The example configurations are what the program takes. */

const checker = await ConfigChecker.start(t);

t.test('each example is taken', async (t) => {
  const names = readdirSync(deployPath('examples'));
  t.same(names.sort(), [
    'pass-through.yaml',
    'rotation.yaml',
    'shared-proxy.yaml',
    'sidecar.yaml',
    'tls.yaml',
  ]);
  for (const name of names) {
    const text = readDeployed(`examples/${name}`);
    t.same(await checker.check(text), { code: 0, output: 'ok\n' }, name);
    t.match(
      text,
      /^# yaml-language-server: \$schema=\.\.\/mybouncer\.schema\.json\n/,
      `${name} helps editors`,
    );
    t.notMatch(text, /:\/\/\w+:[^/@]+@/, `${name} has no password in it`);
  }
});

t.test('what the README and the guide link to is there', async (t) => {
  const guide = readdirSync(deployPath('guide')).map((name) => `deploy/guide/${name}`);
  for (const page of ['README.md', ...guide]) {
    const text = readFileSync(join(projectFolder(), page), 'utf8');
    for (const [, file = '', anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)) {
      const target = file === '' ? join(projectFolder(), page) : join(projectFolder(), dirname(page), file);
      t.ok(existsSync(target), `${page}: ${file}`);
      if (anchor !== undefined) t.ok(anchorsOf(target).includes(anchor), `${page}: ${file}#${anchor}`);
    }
  }
});

/** As GitHub makes them of headings. */
function anchorsOf(path: string): readonly string[] {
  return [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

t.test('an editor takes each by the schema that it names', async (t) => {
  const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(
    JSON.parse(readDeployed('mybouncer.schema.json')) as object,
  );
  const errors = (text: string): unknown => {
    const [configuration] = parseDocuments(text);
    validate(configuration);
    return validate.errors ?? [];
  };
  for (const name of readdirSync(deployPath('examples')))
    t.same(errors(readDeployed(`examples/${name}`)), [], name);
  t.notSame(errors('pool_sise: 10\n'), []);
});

t.test('a mistake in one would be seen', async (t) => {
  const text = readDeployed('examples/sidecar.yaml').replace('pool_size: 10', 'pool_size: ten');
  t.match(await checker.check(text), { code: 2, output: /pool_size/ });
});
