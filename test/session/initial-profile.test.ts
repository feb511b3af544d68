import t, { type Test } from 'tap';
import { ServerConnectError } from '../../src/backend/connect.js';
import { Capability, Command } from '../../src/protocol/constants.js';
import {
  type CollationNames,
  initialProfile,
  type LoginState,
  resetProfile,
} from '../../src/session/initial-profile.js';
import { ProfileRegistry, type SessionProfile } from '../../src/session/profile.js';
import { openSession, shownCollation } from '../backend/truth/session.js';
import { listening, onward } from '../support/listening.js';
import type { RawSession } from '../support/raw-session.js';
import { forEachPrivateServer, ROOT_PASSWORD, type TestServer } from '../support/servers.js';

const COLLATIONS = new Map<number, CollationNames>([
  [8, { charset: 'latin1', collation: 'latin1_swedish_ci' }],
  [45, { charset: 'utf8mb4', collation: 'utf8mb4_general_ci' }],
  [54, { charset: 'utf16', collation: 'utf16_general_ci' }],
]);
const CHARSET_VARIABLES = [
  'character_set_client',
  'character_set_results',
  'collation_connection',
  'results_collation',
];
const VARIABLES = [...CHARSET_VARIABLES, 'sql_mode', 'wait_timeout', 'interactive_timeout'];

const LOGIN = new Map([
  ['character_set_client', 'utf8mb4'],
  ['character_set_results', 'utf8mb4'],
  ['collation_connection', 'utf8mb4_general_ci'],
  ['results_collation', 'utf8mb4_general_ci'],
  ['sql_mode', 'ANSI_QUOTES,STRICT_TRANS_TABLES'],
  ['wait_timeout', '600'],
  ['interactive_timeout', '28800'],
]);
const GLOBALS = new Map([
  ...LOGIN,
  ['character_set_client', 'latin2'],
  ['character_set_results', 'latin2'],
  ['collation_connection', 'latin2_general_ci'],
  ['results_collation', 'latin2_croatian_ci'],
]);

function shown(profile: SessionProfile): Record<string, string | undefined> {
  return Object.fromEntries(VARIABLES.map((name) => [name, profile.variable(name)]));
}

const LATIN1 = {
  character_set_client: 'latin1',
  character_set_results: 'latin1',
  collation_connection: 'latin1_swedish_ci',
  results_collation: 'latin1_swedish_ci',
};

t.test('what a handshake says becomes the profile', async (t) => {
  const registry = new ProfileRegistry();
  const [login, globals] = [registry.baseline(LOGIN), registry.baseline(GLOBALS)];
  const profile = (state: Partial<LoginState>) =>
    initialProfile(registry, login, globals, COLLATIONS, {
      schema: 'app',
      capabilities: 0,
      collation: 45,
      ...state,
    });
  const usual = profile({});
  t.equal(usual, registry.initial(login, 'app', false), 'nothing differs: the baseline itself');
  t.equal(profile({ schema: null }).schema, null);
  t.equal(profile({ capabilities: Capability.MultiStatements }).multiStatements, true);
  t.match(shown(profile({ collation: 8 })), LATIN1);
  const odd = {
    character_set_client: 'latin2',
    collation_connection: 'latin2_general_ci',
    results_collation: 'latin2_croatian_ci',
  };
  t.match(shown(profile({ collation: 54 })), odd, 'a character set that no client can speak');
  t.match(shown(profile({ collation: 250 })), odd, 'a collation that the server does not know');
  t.equal(
    profile({ capabilities: Capability.IgnoreSpace }).variable('sql_mode'),
    'ANSI_QUOTES,IGNORE_SPACE,STRICT_TRANS_TABLES',
  );
  t.equal(profile({ capabilities: Capability.Interactive }).variable('wait_timeout'), '28800');
});

t.test('a server that ignores what a handshake says of character sets', async (t) => {
  const registry = new ProfileRegistry();
  const login = registry.baseline(new Map([...LOGIN, ['collation_connection', 'latin1_swedish_ci']]));
  const state = { schema: null, capabilities: 0, collation: 8 };
  t.equal(initialProfile(registry, login, login, COLLATIONS, state), registry.initial(login, null, false));
});

t.test('IGNORE_SPACE is put where the servers print it, once', async (t) => {
  const registry = new ProfileRegistry();
  for (const [before, after] of [
    ['', 'IGNORE_SPACE'],
    ['IGNORE_SPACE', 'IGNORE_SPACE'],
    ['REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES', 'REAL_AS_FLOAT,PIPES_AS_CONCAT,ANSI_QUOTES,IGNORE_SPACE'],
    ['STRICT_ALL_TABLES', 'IGNORE_SPACE,STRICT_ALL_TABLES'],
  ]) {
    const login = registry.baseline(new Map([...LOGIN, ['sql_mode', before as string]]));
    const state = { schema: null, capabilities: Capability.IgnoreSpace, collation: 45 };
    t.equal(initialProfile(registry, login, login, COLLATIONS, state).variable('sql_mode'), after);
  }
});

t.test('a reset goes back to the globals; schema and option stay', async (t) => {
  const registry = new ProfileRegistry();
  const [login, globals] = [registry.baseline(LOGIN), registry.baseline(GLOBALS)];
  const state = { schema: 'app', capabilities: Capability.IgnoreSpace, collation: 8 };
  const current = registry.initial(login, 'shop', true).withVariable('time_zone', '+01:00');
  const reset = (keepsCharset: boolean) =>
    resetProfile(registry, globals, COLLATIONS, keepsCharset, state, current);
  const mysql = registry
    .initial(globals, 'shop', true)
    .withVariable('sql_mode', 'ANSI_QUOTES,IGNORE_SPACE,STRICT_TRANS_TABLES');
  t.equal(reset(false), mysql);
  t.match(shown(reset(true)), { ...LATIN1, sql_mode: LOGIN.get('sql_mode'), wait_timeout: '600' }, 'MariaDB');
});

/** Asked for without a backtick or `@`: swe7 has neither, and MySQL turns SHOW into a text that has some. */
async function variablesOf(
  session: RawSession,
  server: TestServer,
  collations: ReadonlyMap<number, CollationNames>,
): Promise<Map<string, string>> {
  const list = VARIABLES.map((name) => `'${name}'`).join(',');
  const schema = server.isMysql ? 'performance_schema' : 'information_schema';
  const reply = await session.must(
    `SELECT LOWER(VARIABLE_NAME), VARIABLE_VALUE FROM ${schema}.session_variables WHERE VARIABLE_NAME IN (${list})`,
  );
  const results = collations.get(shownCollation(reply))?.collation ?? '';
  return new Map([
    ...reply.rows.map(([name, value]) => [name ?? '', value ?? ''] as const),
    ['results_collation', results],
  ]);
}

async function collationsOf(session: RawSession, server: TestServer): Promise<Map<number, CollationNames>> {
  const { rows } = await session.must(
    server.isMysql
      ? 'SELECT ID, COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATIONS'
      : 'SELECT ID, FULL_COLLATION_NAME, CHARACTER_SET_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY',
  );
  return new Map(
    rows.map(([id, collation, charset]) => [
      Number(id),
      { charset: charset ?? '', collation: collation ?? '' },
    ]),
  );
}

/** Where the byte of the collation stands in a client's first packet. */
const COLLATION_OFFSET = 12;

/** Stands before a server and writes another collation into each login: mysql2 can't encode a user name in all of them. */
class CollationRelay {
  collation = 0;
  readonly address: { host: string; port: number };

  private constructor(port: number) {
    this.address = { host: '127.0.0.1', port };
  }

  /** Ends with the test. */
  static async start(t: Test, server: TestServer): Promise<CollationRelay> {
    const { port } = await listening(t, (client) => {
      const upstream = onward(client, server);
      client.once('data', (login: Buffer) => {
        login[COLLATION_OFFSET] = relay.collation;
        upstream.write(login);
        client.pipe(upstream);
      });
      upstream.pipe(client);
    });
    const relay = new CollationRelay(port);
    return relay;
  }
}

const GLOBAL_SETTINGS: readonly (readonly string[])[] = [
  [],
  [
    "SET GLOBAL character_set_client='latin2', GLOBAL character_set_results='latin2', GLOBAL collation_connection='latin2_general_ci'",
    "SET GLOBAL sql_mode='ANSI_QUOTES,STRICT_ALL_TABLES', GLOBAL wait_timeout=1234, GLOBAL interactive_timeout=4321",
  ],
];
/** Logins that both servers refuse; the proxy goes on with the default. */
const REFUSED = ['1231 ucs2', '1231 utf16', '1231 utf16le', '1231 utf32'];
const CAPABILITY_SETS = [
  0,
  Capability.IgnoreSpace,
  Capability.Interactive,
  Capability.IgnoreSpace | Capability.Interactive,
];

await forEachPrivateServer(t, async (t, server) => {
  const admin = await openSession(t, server, { user: 'root', password: ROOT_PASSWORD });
  const collations = await collationsOf(admin, server);
  const registry = new ProfileRegistry();
  const relay = await CollationRelay.start(t, server);

  for (const settings of GLOBAL_SETTINGS) {
    await t.test(
      `as the server itself would have it, ${settings.length === 0 ? 'by default' : 'with other globals'}`,
      async (t) => {
        for (const statement of settings) await admin.must(statement);
        const own = await openSession(t, server, { armed: false });
        const login = registry.baseline(await variablesOf(own, server, collations));
        await own.command(Command.ResetConnection);
        const globals = registry.baseline(await variablesOf(own, server, collations));
        const logins = [
          ...[...collations.keys()]
            .filter((id) => id < 256)
            .map((collation) => ({ collation, capabilities: 0 })),
          ...CAPABILITY_SETS.map((capabilities) => ({ collation: 8, capabilities })),
          // Not known to MariaDB, whose globals the proxy does not see: a reset keeps the character set of the login there.
          // It takes that of its own login for those.
          ...(server.isMysql || settings.length === 0 ? [{ collation: 255, capabilities: 0 }] : []),
          { collation: 7, capabilities: 0 },
        ];
        const wrong: unknown[] = [];
        const refused = new Set<string>();
        for (const { collation, capabilities } of logins) {
          const state = { schema: 'app', capabilities, collation };
          relay.collation = collation;
          const options = { armed: false, address: relay.address, capabilities };
          const session = await openSession(t, server, options).catch((error: unknown) => {
            if (!(error instanceof ServerConnectError)) throw error;
            refused.add(`${error.errno} ${collations.get(collation)?.charset}`);
            return null;
          });
          if (session === null) continue;
          const profile = initialProfile(registry, login, globals, collations, state);
          const real = Object.fromEntries(await variablesOf(session, server, collations));
          if (JSON.stringify(shown(profile)) !== JSON.stringify(sorted(real)))
            wrong.push({
              collation,
              capabilities,
              name: collations.get(collation),
              profile: shown(profile),
              real,
            });
          // What MariaDB makes of this depends on the login before, of whoever it was.
          if (!server.isMysql && !collations.has(collation)) continue;
          await session.command(Command.ResetConnection);
          const reset = resetProfile(registry, globals, collations, !server.isMysql, state, profile);
          const realReset = Object.fromEntries(await variablesOf(session, server, collations));
          if (JSON.stringify(shown(reset)) !== JSON.stringify(sorted(realReset)))
            wrong.push({
              reset: collation,
              capabilities,
              name: collations.get(collation),
              profile: shown(reset),
              real: realReset,
            });
          session.close();
        }
        t.strictSame(wrong, [], `${logins.length} logins`);
        t.strictSame([...refused].sort(), REFUSED);
      },
    );
  }
});

/** In the order of {@link VARIABLES}. */
function sorted(values: Record<string, string>): Record<string, string | undefined> {
  return Object.fromEntries(VARIABLES.map((name) => [name, values[name]]));
}
