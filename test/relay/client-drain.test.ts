import t from 'tap';
import { ClientDrain, type DrainedClient } from '../../src/relay/client-drain.js';

/** Calls for which a client has to be quiet. */
const PATIENCE = 3;

class FakeClient implements DrainedClient {
  isAtRest = true;
  idleSeconds = 0;
  age = 60_000;
  bytesRead = 100;
  ended = 0;

  end(): void {
    this.ended++;
    this.isAtRest = false;
  }
}

function setup(changes: Partial<FakeClient> = {}): {
  client: FakeClient;
  drain: ClientDrain;
  tick(times?: number): number;
} {
  const client = Object.assign(new FakeClient(), changes);
  const drain = new ClientDrain(client);
  const tick = (times = 1): number => {
    for (let i = 0; i < times; i++) drain.tick(PATIENCE);
    return client.ended;
  };
  return { client, drain, tick };
}

t.test('a client that is quiet for long enough', async (t) => {
  const { client, tick } = setup();
  t.equal(tick(PATIENCE), 0);
  client.bytesRead++;
  t.equal(tick(PATIENCE), 0, 'what it says begins the time anew');
  t.equal(tick(), 1);
});

t.test('a client that has been idle since long before', async (t) => {
  t.equal(setup({ idleSeconds: 2 }).tick(), 1, 'at once');
  t.equal(setup({ idleSeconds: 1 }).tick(), 0, 'the second may have begun just now');
});

t.test('a client that is at work, or holds something', async (t) => {
  const { client, tick } = setup({ isAtRest: false });
  t.equal(tick(10 * PATIENCE), 0);
  client.isAtRest = true;
  t.equal(tick(PATIENCE - 1), 0, 'it has been quiet only since it is at rest');
  t.equal(tick(), 1);
});

t.test('a client that has just connected', async (t) => {
  const { client, tick } = setup({ age: 4_999 });
  t.equal(tick(10 * PATIENCE), 0);
  client.age = 5_000;
  t.equal(tick(), 1);
});

t.test('the last call', async (t) => {
  const young = setup({ age: 0 });
  young.drain.tick(0);
  t.equal(young.client.ended, 1, 'neither youth nor what was just said is waited for');
  const busy = setup({ isAtRest: false });
  busy.drain.paused();
  busy.drain.tick(0);
  t.equal(busy.client.ended, 0);
  busy.client.isAtRest = true;
  busy.drain.paused();
  t.equal(busy.client.ended, 1, 'right behind the reply');
  const before = setup();
  before.drain.tick(1);
  before.drain.paused();
  t.equal(before.client.ended, 0);
});

t.test('COM_PING', async (t) => {
  const late = setup();
  t.equal(late.drain.pinged(), false, 'of a client that came while the proxy drains');
  const { client, drain } = setup();
  drain.begin();
  client.isAtRest = false;
  t.equal(drain.pinged(), false, 'in a transaction');
  client.isAtRest = true;
  t.equal(drain.pinged(), true);
  t.equal(client.ended, 1);
});
