import type { TestServer } from '../support/server-handle.js';
import type { Target } from './case.js';
import { type Fuzzed, fuzzedClients } from './client-targets.js';
import { fuzzedReplies } from './reply-target.js';
import { fuzzedServerLogin } from './server-login-target.js';
import { openFuzzWorld } from './world.js';

/** One target, ready to be fuzzed, on an account and a schema of its own. */
export async function openTarget(target: Target, server: TestServer): Promise<Fuzzed> {
  const schema = await server.createDatabase();
  const account = await server.createUser();
  await server.query(`CREATE TABLE ${schema}.fuzz (v INT)`);
  await server.query(`INSERT INTO ${schema}.fuzz VALUES (1), (2), (3), (4), (5)`);
  const upstream = account.url(schema);
  switch (target) {
    case 'client-login':
    case 'client-commands': {
      const world = await openFuzzWorld(upstream);
      const fuzzed = await fuzzedClients(world, target === 'client-commands');
      return {
        ...fuzzed,
        close: async () => {
          await fuzzed.close();
          await world.close();
        },
      };
    }
    case 'server-login':
      return fuzzedServerLogin(upstream);
    case 'replies':
      return fuzzedReplies(upstream);
  }
}
