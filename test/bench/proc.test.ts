import t from 'tap';
import { handlesSignal } from './proc.js';

t.test('whether a process handles a signal', async (t) => {
  t.notOk(handlesSignal(process.pid, 'SIGWINCH'));
  const nothing = () => undefined;
  process.on('SIGWINCH', nothing);
  t.ok(handlesSignal(process.pid, 'SIGWINCH'));
  t.notOk(handlesSignal(process.pid, 'SIGURG'));
  process.off('SIGWINCH', nothing);
  t.notOk(handlesSignal(2 ** 22, 'SIGWINCH'), 'there is no such process');
});
