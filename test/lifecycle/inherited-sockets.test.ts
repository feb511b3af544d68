import t from 'tap';
import { inheritedSockets, socketVariables } from '../../src/lifecycle/inherited-sockets.js';

t.test('sockets that the environment speaks of', async (t) => {
  const env: Record<string, string | undefined> = {
    LISTEN_PID: '7',
    LISTEN_FDS: '3',
    LISTEN_FDNAMES: 'mybouncer.socket:http',
    OTHER: 'kept',
  };
  t.same(inheritedSockets(env, [7]), [
    { fd: 3, name: 'mybouncer.socket' },
    { fd: 4, name: 'http' },
    { fd: 5, name: 'listen' },
  ]);
  t.same(env, { OTHER: 'kept' }, 'children are not to take them for theirs');
});

t.test('those of another process, and nonsense', async (t) => {
  for (const env of [
    {},
    { LISTEN_FDS: '1' },
    { LISTEN_PID: '8', LISTEN_FDS: '1' },
    { LISTEN_PID: '7' },
    { LISTEN_PID: '7', LISTEN_FDS: '0' },
    { LISTEN_PID: '7', LISTEN_FDS: '-1' },
    { LISTEN_PID: '7', LISTEN_FDS: 'x' },
  ])
    t.same(inheritedSockets({ ...env }, [7]), [], JSON.stringify(env));
});

t.test('what a parent says is understood', async (t) => {
  const sockets = [
    { fd: 3, name: 'listen' },
    { fd: 4, name: 'http' },
  ];
  t.same(inheritedSockets(socketVariables(sockets, 9), [9]), sockets);
});
