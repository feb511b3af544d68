import t from 'tap';
import { CommandFailed, isExplained, outcomeOf } from './outcome.js';

const error = (errno: number, message = '', isLost = false, code = '') =>
  new CommandFailed(message, { errno, code, isLost });

t.test('what an error proves', async (t) => {
  for (const errno of [1040, 1205, 1213, 1290, 1429])
    t.equal(outcomeOf(error(errno), true), 'fail', `${errno}`);
  for (const errno of [1053, 1158, 1317, 1927]) t.equal(outcomeOf(error(errno), true), 'info', `${errno}`);
  t.equal(outcomeOf(error(0, 'closed', true), true), 'info', 'nobody has said anything');
  t.equal(outcomeOf(error(0, 'closed', true), false), 'fail', 'nothing was committed');
  t.equal(outcomeOf(error(1158, 'mybouncer: … This statement was not executed; …'), true), 'fail');
  t.equal(outcomeOf(error(1158, '…; its transaction was not committed. …'), true), 'fail');
  t.equal(outcomeOf(error(1158, '…; the statement may or may not have been executed'), true), 'info');
});

t.test('what faults explain', async (t) => {
  for (const errno of [1213, 1158, 1317]) t.ok(isExplained(error(errno)), `${errno}`);
  for (const errno of [1064, 1105, 1243]) t.notOk(isExplained(error(errno)), `${errno}`);
  t.ok(isExplained(error(0, '', true, 'PROTOCOL_CONNECTION_LOST')));
  t.notOk(isExplained(error(0, '', true, 'PROTOCOL_UNEXPECTED_PACKET')));
});
