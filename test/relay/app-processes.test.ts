import t from 'tap';
import { AppProcesses } from '../../src/relay/app-processes.js';

const REMOTE = { kind: 'tcp', address: '10.0.0.5', port: 4711 } as const;

function client(attributes: Record<string, string>, remote: typeof REMOTE | { kind: 'unix' } = REMOTE) {
  return { attributes: new Map(Object.entries(attributes)), remote };
}

t.test('a process is its pid and where it connects from, else the peer address', async (t) => {
  const processes = new AppProcesses();
  const one = processes.enter(client({ _pid: '17', program_name: 'web' }));
  t.equal(one.label, 'pid 17 at 10.0.0.5');
  t.equal(processes.enter(client({ _pid: '17' })), one);
  t.not(processes.enter(client({ _pid: '18' })), one);
  t.not(processes.enter(client({ _pid: '17' }, { kind: 'unix' })), one);
  t.equal(processes.enter(client({ _pid: '1', _source_host: 'web-3' })).label, 'pid 1 of web-3 at 10.0.0.5');
  t.equal(processes.enter(client({})).label, 'clients at 10.0.0.5');
  t.equal(processes.enter(client({}, { kind: 'unix' })).label, 'clients at the unix socket');
  t.equal(processes.enter(client({ _pid: 'x'.repeat(1_000) })).label.length, 'pid  at 10.0.0.5'.length + 64);
});

t.test('a process is forgotten with its last client', async (t) => {
  const processes = new AppProcesses();
  const first = processes.enter(client({ _pid: '17' }));
  processes.enter(client({ _pid: '17' }));
  processes.leave(first);
  t.equal(processes.enter(client({ _pid: '17' })), first);
  processes.leave(first);
  processes.leave(first);
  t.equal(processes.size, 0);
  const again = processes.enter(client({ _pid: '17' }));
  t.not(again, first);
  processes.leave(first);
  t.equal(processes.size, 1, 'whoever left long ago leaves once');
});
