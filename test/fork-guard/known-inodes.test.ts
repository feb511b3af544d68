import t from 'tap';
import { KnownInodes } from '../../src/fork-guard/known-inodes.js';

/** After so long a socket that is not connected to us never will be, in ms; see there. */
const CONNECTS_WITHIN_MS = 3_000;

t.test("sockets that are no client's", async (t) => {
  const inodes = new KnownInodes();
  t.notOk(inodes.isOther('1', 5), 'it is not known at first');
  t.notOk(inodes.isOther('1', 5), 'nor as long as no table has told');
  inodes.setOther('1', performance.now(), 5);
  t.ok(inodes.isOther('1', 5));
  t.notOk(inodes.isOther('1', 6), 'it may have become one when somebody has logged in');
  inodes.setOther('1', performance.now() + CONNECTS_WITHIN_MS, 6);
  t.ok(inodes.isOther('1', 1_000), 'it was there long before the tables were read: it connects no more');
  inodes.setOther('2', performance.now() + CONNECTS_WITHIN_MS, 6);
  t.notOk(inodes.isOther('2', 6), 'of what was never seen nothing is known');
});

t.test("sockets that are clients'", async (t) => {
  const inodes = new KnownInodes();
  t.equal(inodes.endpoint('1'), null);
  inodes.setEndpoints(new Map([['1', 'unix:7']]));
  t.equal(inodes.endpoint('1'), 'unix:7');
  inodes.setEndpoints(new Map());
  t.equal(inodes.endpoint('1'), null, 'only as the tables were last');
});

t.test('there are not more of them than fit', async (t) => {
  const inodes = new KnownInodes();
  inodes.isOther('first', 0);
  inodes.setOther('first', performance.now(), 0);
  t.ok(inodes.isOther('first', 0));
  for (let i = 0; i < 50_000; i++) inodes.isOther(String(i), 0);
  t.notOk(inodes.isOther('first', 0), 'then they are learned anew');
});
