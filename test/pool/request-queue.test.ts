import t from 'tap';
import { RequestQueue } from '../../src/pool/request-queue.js';
import { fc } from '../support/properties.js';
import { type FakeSession, TestRequest, World } from './support.js';

const pool = new World().pool();

function requests(count: number): TestRequest[] {
  return Array.from({ length: count }, (_, index) => {
    const request = new TestRequest(pool);
    request.ticket = index;
    return request;
  });
}

function contents(queue: RequestQueue<FakeSession>): number[] {
  const found: number[] = [];
  let behind: unknown = null;
  for (let request = queue.head; request !== null; request = request.behind) {
    if (request.ahead !== behind) throw new Error('links disagree');
    if (request.queue !== queue) throw new Error('the request does not know where it is');
    behind = request;
    found.push(request.ticket);
  }
  return found;
}

t.test('first in, first out', async (t) => {
  const queue = new RequestQueue<FakeSession>();
  const [a, b] = requests(2) as [TestRequest, TestRequest];
  t.equal(queue.shift(), null);
  queue.push(a);
  queue.push(b);
  t.ok(a.pending);
  t.equal(queue.shift(), a);
  t.notOk(a.pending);
  t.equal(queue.shift(), b);
  t.equal(queue.shift(), null);
  t.equal(queue.size, 0);
});

t.test('agrees with an array, whatever is done to it', async (t) => {
  const operation = fc.record({
    kind: fc.constantFrom('push', 'shift', 'remove', 'restore'),
    which: fc.nat(7),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const queue = new RequestQueue<FakeSession>();
      const all = requests(8);
      let model: TestRequest[] = [];
      let ticket = 100;
      for (const { kind, which } of operations) {
        const request = all[which] as TestRequest;
        const queued = model.includes(request);
        if (kind === 'shift') {
          if (queue.shift() !== (model.shift() ?? null)) return false;
        } else if (kind === 'remove' && queued) {
          queue.remove(request);
          model = model.filter((other) => other !== request);
        } else if (kind === 'push' && !queued) {
          request.ticket = ticket++;
          queue.push(request);
          model.push(request);
        } else if (kind === 'restore' && !queued) {
          queue.restore(request);
          model.push(request);
          model.sort((a, b) => a.ticket - b.ticket);
        }
        t.same(
          contents(queue),
          model.map((other) => other.ticket),
        );
        if (queue.size !== model.length) return false;
      }
      return true;
    }),
  );
});
