import type { FlagValue } from '../../../src/config/given.js';
import { loadSettings, type Settings } from '../../../src/config/load.js';
import type { KeyName } from '../../../src/config/schema.js';
import { examine } from '../../../src/doctor/doctor.js';
import type { Finding } from '../../../src/doctor/finding.js';
import type { TestServer, TestUser } from '../../support/servers.js';

/** The settings of a command line; ports are free ones unless given. */
export function settings(keys: Partial<Record<KeyName, string>>, configFile: string | null = null): Settings {
  const given = { listen: '127.0.0.1:0', http: '127.0.0.1:0', ...keys };
  const flags = new Map<KeyName, FlagValue>();
  for (const [key, value] of Object.entries(given))
    flags.set(key as KeyName, { source: 'test', values: [value] });
  return loadSettings({ flags, configFile, env: {} });
}

/** What was found, by what it is about. */
export class Examined {
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    this.findings = findings;
  }

  get(about: string): Finding {
    const [finding, ...more] = this.findings.filter((one) => one.about === about);
    if (finding === undefined || more.length > 0)
      throw new Error(`${more.length + Number(finding !== undefined)} findings about ${about}`);
    return finding;
  }

  has(about: string): boolean {
    return this.findings.some((one) => one.about === about);
  }

  /** What is not ok, by the words in front of each line. The machine that the tests run on is as it is. */
  get bad(): string[] {
    return this.findings
      .filter(({ level, about }) => level !== 'ok' && about !== 'fork guard')
      .map(({ level, about }) => `${level} ${about}`);
  }

  /** The statements of the advice about something, as they are to be run. */
  grants(about: string): string[] {
    return [...(this.get(about).advice ?? '').matchAll(/GRANT .*?'@'[^']*'/g)].map(([sql]) => sql);
  }
}

export async function examined(
  keys: Partial<Record<KeyName, string>>,
  configFile: string | null = null,
): Promise<Examined> {
  // What is found of the machine that the tests run on has tests of its own.
  const few = { max_client_conn: '10', ...keys };
  return new Examined(await examine(settings(few, configFile)));
}

/** An account with these rights on a schema of its own, and no others; none of what other tests make is visible to it. */
export async function lonelyUser(
  server: TestServer,
  rights: string,
): Promise<{ user: TestUser; schema: string; url: string }> {
  const schema = await server.createDatabase();
  const user = await server.createUser();
  await server.query(`REVOKE ALL PRIVILEGES, GRANT OPTION FROM '${user.user}'@'%'`);
  await server.query(`GRANT ${rights} ON ${schema}.* TO '${user.user}'@'%'`);
  return { user, schema, url: user.url(schema) };
}
