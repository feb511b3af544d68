import t from 'tap';
import { WorkerTeam } from '../../src/app/worker-team.js';
import type { RelayServices } from '../../src/relay/relay-services.js';
import { GONE_SESSIONS } from '../../src/workers/permits.js';
import { memoryBus } from '../views/support/memory-bus.js';

const USER = 'app';

/** A server that shows these sessions. */
function server(name: string, shown: readonly string[]) {
  return {
    name,
    killer: {
      accountOf: (user: string) => (user === USER ? {} : null),
      ask: async (statement: string) =>
        shown.filter((id) => new RegExp(`\\b${id}\\b`).test(statement)).map((id) => [id]),
    },
  };
}

t.test('a server is asked what it is rid of, and no other one that has given the same ids', async (t) => {
  const [asks, answers] = memoryBus(2);
  if (asks === undefined || answers === undefined) throw new Error('there are two');
  const all = [server('db1', []), server('db2', ['7', '8'])];
  const settings = { given: () => null, take: () => undefined, reloadToo: () => undefined };
  new WorkerTeam(answers).answerFor({ servers: { all } } as unknown as RelayServices, settings);
  const gone = async (name: string, user = USER): Promise<unknown> => {
    const [first] = await asks.ask(GONE_SESSIONS, { server: name, user, ids: ['7', '9'] });
    return first?.answer;
  };
  t.same(await gone('db1'), ['7', '9']);
  t.same(await gone('db2'), ['9']);
  t.same(await gone('db2', 'other'), [], 'of a user that has no connection here');
  t.same(await gone('db3'), [], 'of a server that this worker does not know');
});
