import * as z from 'zod';
import { GROUPS } from './keys/key.js';
import { poolEntrySchema } from './pools.js';
import { envNames, flagName, KEY_NAMES, type KeyName, keyInfo } from './schema.js';
import { serverEntrySchema } from './servers.js';
import { userSchema } from './user-schema.js';

/*
 * What deploy/ ships about the configuration, written from the table of keys. A test compares the committed files with this.
 */

const SCHEMA_FILE = 'mybouncer.schema.json';

/** The schema of one entry of a list as JSON, where its descriptions are. */
const entryJsonSchema = z.object({
  properties: z.record(z.string(), z.object({ description: z.string() })),
});

/** A summary of the table as a sentence. */
const sentence = (summary: string): string => `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;

const lines = (...parts: readonly string[]): string => parts.join('\n');

/** The configuration file's JSON schema (draft 7, which editors understand), as text. */
export function jsonSchemaText(): string {
  const shape = Object.fromEntries(
    KEY_NAMES.map((name) => {
      const { schema, summary } = keyInfo(name);
      return [name, schema.describe(sentence(summary))];
    }),
  );
  const schema = z.toJSONSchema(z.strictObject(shape), {
    io: 'input',
    target: 'draft-7',
    // The table has its defaults as text; where a number may stand, a number is what an editor should offer.
    override: ({ jsonSchema }) => {
      const isNumber = jsonSchema.anyOf?.some(({ type }) => type === 'integer') === true;
      const text = jsonSchema.default;
      if (isNumber && typeof text === 'string' && /^\d+$/.test(text)) jsonSchema.default = Number(text);
    },
  });
  const { $schema, ...rest } = schema;
  const whole = { $schema, title: 'Configuration of mybouncer', ...rest };
  return `${JSON.stringify(whole, null, 2)}\n`;
}

function keySection(name: KeyName): string {
  const { summary, detail, defaultText, list, fileOnly, reloadable } = keyInfo(name);
  const facts = [`Default: ${defaultText === null ? 'none' : `\`${defaultText}\``}`];
  if (fileOnly === true) facts.push('only in the file');
  else {
    facts.push(`flag: \`${flagName(name)}\`${list === true ? ' (repeatable)' : ''}`);
    facts.push(
      `environment: ${envNames(name)
        .map((one) => `\`${one}\``)
        .join(', else ')}`,
    );
  }
  facts.push(reloadable ? 'changes while the proxy runs' : 'needs a restart');
  const text = detail === '' ? sentence(summary) : `${sentence(summary)} ${detail}`;
  return lines(`### \`${name}\``, '', text, '', facts.join(' · '), '');
}

function usersTable(): string {
  return lines(
    ...entryTable(userSchema),
    'A hash needs `server_user` and its password, unless it is one of `mysql_native_password`: from a hash the proxy can tell whether a password is right, but it cannot log in with it.',
    '',
    '`allowed_addresses`, `schemas` and `read_only` are guard rails, not walls: they keep an honest client from a mistake. What somebody who means harm may do is decided by the privileges of the server account.',
    '',
    '```yaml',
    ...USERS_EXAMPLE,
    '```',
    '',
  );
}

const USERS_EXAMPLE = [
  'users:',
  '  - name: report',
  '    password: "only for reading"',
  '  - name: worker',
  '    password_file: /run/secrets/worker-password',
  '    server_user: app',
  '    server_password: secret',
  '    allowed_addresses: [10.0.0.0/8, unix]',
  '    schemas: [shop]',
];

const SERVERS_EXAMPLE = [
  'servers:',
  '  - url: mysql://app:secret@db1:3306/shop',
  '  - url: mysql://db2:3306',
  '  - url: mysql://db3:3306',
  '    role: replica',
];

const POOLS_EXAMPLE = [
  'pools:',
  '  shop: {}',
  '  shop_ro:',
  '    role: replica',
  '    databases: [shop_ro]',
  '    users: [report]',
  '    max_lag: 5s',
];

/** A table of what the entries of a list may have. */
function entryTable(schema: z.ZodType): readonly string[] {
  const { properties } = entryJsonSchema.parse(z.toJSONSchema(schema, { io: 'input' }));
  const rows = Object.entries(properties).map(
    ([name, { description }]) => `| \`${name}\` | ${description} |`,
  );
  return ['| key | meaning |', '|---|---|', ...rows, ''];
}

function poolsTable(): string {
  return lines(...entryTable(poolEntrySchema), '```yaml', ...POOLS_EXAMPLE, '```', '');
}

function serversTable(): string {
  return lines(...entryTable(serverEntrySchema), '```yaml', ...SERVERS_EXAMPLE, '```', '');
}

const INTRODUCTION = lines(
  '# Configuration',
  '',
  '<!-- Written by `mybouncer reference`; do not edit. -->',
  '',
  'Every key below can be set in three places. A flag beats the environment, and the environment beats the file:',
  '',
  '```',
  'mybouncer --pool-size 50',
  'MYBOUNCER_POOL_SIZE=50 mybouncer',
  'mybouncer --config mybouncer.yaml        # pool_size: 50',
  '```',
  '',
  '`--config FILE` (or `MYBOUNCER_CONFIG`) names the file, which is YAML and flat. `mybouncer check` reads everything and prints `ok`, or every mistake with its place. An unknown key, flag or `MYBOUNCER_` variable is a mistake, and a variable that is empty counts as not set. Editors check the file against the schema when its first line is:',
  '',
  '```yaml',
  `# yaml-language-server: $schema=./${SCHEMA_FILE}`,
  '```',
  '',
  'Durations and sizes have a unit: `250ms`, `5s`, `1.5h`, `1m30s` (ms, s, m, h, d; at most 24d), and `512B`, `64KiB`, `16MiB`, `1GiB`. `16M` is `16MiB`, as in MySQL, while `16MB` is 16,000,000 bytes.',
  '',
  'SIGHUP, or RELOAD in the admin console, reads file, environment and flags anew. Where there is a mistake, nothing changes; else keys that say `changes while the proxy runs` have their new value, for present clients too unless it says otherwise, and the answer tells what has changed and what needs a restart. `SET key = value` in the console changes one of them until the next RELOAD or restart.',
  '',
  "A URL given as an argument or flag is taken out of the process list at the start, yet not out of the shell's history, nor out of the process list where another program (`npx`, a shell) was started with it: prefer the environment or the file for passwords.",
  '',
);

/** `deploy/configuration.md`. */
export function referenceText(): string {
  const parts = [INTRODUCTION];
  for (const [group, title] of Object.entries(GROUPS)) {
    parts.push(lines(`## ${title}`, ''));
    for (const name of KEY_NAMES) {
      if (keyInfo(name).group !== group) continue;
      parts.push(keySection(name));
      if (name === 'users') parts.push(usersTable());
      if (name === 'servers') parts.push(serversTable());
      if (name === 'pools') parts.push(poolsTable());
    }
  }
  return `${parts.join('\n').trimEnd()}\n`;
}

/** `deploy/mybouncer.yaml`: every key with its default as a comment, so that the file changes nothing but the upstream. */
export function exampleText(): string {
  const parts = [
    lines(
      `# yaml-language-server: $schema=./${SCHEMA_FILE}`,
      '# Every key of mybouncer, with its default behind the #. configuration.md says more about each.',
    ),
  ];
  for (const [group, title] of Object.entries(GROUPS)) {
    parts.push(`\n# ${title}\n`);
    for (const name of KEY_NAMES) {
      const { group: own, summary, defaultText, example, list } = keyInfo(name);
      if (own !== group) continue;
      parts.push(`# ${sentence(summary)}`);
      if (name === 'users') parts.push(USERS_EXAMPLE.map((line) => `#${line}`).join('\n'));
      else if (name === 'servers') parts.push(SERVERS_EXAMPLE.map((line) => `#${line}`).join('\n'));
      else if (name === 'pools') parts.push(POOLS_EXAMPLE.map((line) => `#${line}`).join('\n'));
      else if (list === true) parts.push(`#${name}:\n#  - ${example ?? defaultText}`);
      else if (example !== undefined) parts.push(`${name}: ${example}`);
      else parts.push(`#${name}:${defaultText === null ? '' : ` ${defaultText}`}`);
      parts.push('');
    }
  }
  return `${parts
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`;
}

/** The files of deploy/ that are generated, by name. */
export const GENERATED_FILES: Readonly<Record<string, () => string>> = {
  'configuration.md': referenceText,
  [SCHEMA_FILE]: jsonSchemaText,
  'mybouncer.yaml': exampleText,
};
