import t from 'tap';
import { type Route, Routes } from '../../src/relay/routes.js';
import type { Routing } from '../../src/relay/session-checkout.js';

const routing = (name: string): Routing => ({ namedPool: { rule: { name } } }) as unknown as Routing;
const route = (name: string, more: Partial<Route>): Route => ({
  routing: routing(name),
  users: new Set(),
  databases: new Map(),
  listens: [],
  ...more,
});
const tcp = (host: string, port: number) => ({ kind: 'tcp', host, port }) as const;

t.test('by the address, else the database, else the user', async (t) => {
  const routes = new Routes(
    [
      route('by address', { listens: [tcp('127.0.0.1', 2), { kind: 'unix', path: '/run/x' }] }),
      route('by name', { listens: [tcp('localhost', 3)] }),
      route('by database', { databases: new Map([['ro', 'shop']]) }),
      route('by user', { users: new Set(['report']) }),
    ],
    routing('others'),
  );
  const plain = tcp('127.0.0.1', 1);
  const chosen = (...of: Parameters<Routes['of']>): readonly [string, string | null] => {
    const found = routes.of(...of);
    return [found.routing.namedPool.rule.name, found.schema];
  };
  t.same(chosen('app', null, plain), ['others', null]);
  t.same(chosen('app', 'shop', plain), ['others', 'shop']);
  t.same(chosen('report', 'shop', plain), ['by user', 'shop']);
  t.same(chosen('report', 'ro', plain), ['by database', 'shop']);
  t.same(
    chosen('report', 'ro', tcp('127.0.0.1', 2)),
    ['by address', 'shop'],
    'an alias stands for its schema',
  );
  t.same(chosen('app', null, tcp('10.0.0.1', 2)), ['others', null]);
  t.same(chosen('app', null, { kind: 'unix', path: '/run/x' }), ['by address', null]);
  t.same(chosen('app', null, { kind: 'unix', path: '/run/y' }), ['others', null]);
  t.same(
    chosen('app', null, tcp('127.0.0.1', 3)),
    ['by name', null],
    'a socket that was passed on has no name',
  );
});
