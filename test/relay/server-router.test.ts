import t from 'tap';
import type { PoolError } from '../../src/pool/errors.js';
import type { NamedPool } from '../../src/relay/named-pool.js';
import type { Server } from '../../src/relay/server.js';
import { NoServerError, type RoutedRequest, ServerRouter } from '../../src/relay/server-router.js';
import { eventually } from '../support/proxied.js';

/** A router before servers none of which is to be had. */
function nowhere(failoverTimeoutMs: number) {
  let asked = 0;
  const server = { name: 'db1', isPaused: true, troubled: () => asked++ } as unknown as Server;
  const namedPool = { choose: () => null, rule: { name: 'shop' } } as unknown as NamedPool<Server>;
  const router = new ServerRouter({
    servers: [server],
    pools: [],
    failoverTimeoutMs: () => failoverTimeoutMs,
    maxWaiting: () => 0,
    refused: () => undefined,
    log: { info: () => undefined, warn: () => undefined },
  });
  const refusals: PoolError[] = [];
  const request: RoutedRequest = {
    namedPool,
    server,
    enqueuedAt: 0,
    grantedAt: 0,
    askAt: () => null,
    granted: () => undefined,
    refused: (error) => refusals.push(error),
  };
  return { router, request, refusals, asked: () => asked };
}

t.test(
  'failover_timeout counts from when there was no server, however long its line was before',
  async (t) => {
    const { router, request, refusals, asked } = nowhere(3_600_000);
    request.enqueuedAt = performance.now() - 2 * 3_600_000;
    router.askAgain(request);
    await eventually('it has been looked at again and again', () => asked() >= 2);
    t.same(refusals, []);
    t.equal(router.waiting, 1);
    t.ok(router.oldestWaitMs >= 2 * 3_600_000, 'which is how long it has waited');
    t.ok(router.cancel(request));
    t.equal(router.waiting, 0);
  },
);

t.test('it is told how long there was none', async (t) => {
  const { router, request, refusals } = nowhere(1);
  request.enqueuedAt = performance.now() - 3_600_000;
  router.askAgain(request);
  await eventually('it is refused', () => refusals.length > 0);
  t.ok(refusals[0] instanceof NoServerError);
  t.match(
    refusals[0]?.message,
    /^no server for pool shop after \d{1,6} ms \(failover_timeout\): db1 is paused$/,
  );
  t.equal(router.waiting, 0);
});
