import t from 'tap';
import { AuthBusyError } from '../../src/frontend/errors.js';
import { PasswordHasher } from '../../src/frontend/password-hasher.js';

const of = { rounds: 1_000, salt: Buffer.from('saltsaltsaltsaltsalt'), digest: '' };

t.test('checks are done in order, with turns of the event loop in between', async (t) => {
  const hasher = new PasswordHasher();
  const order: string[] = [];
  const checks = ['a', 'b', 'c'].map((password) =>
    hasher.digest(Buffer.from(password), of).then((digest) => {
      order.push(password);
      return digest;
    }),
  );
  setImmediate(() => order.push('somebody else'));
  t.equal(new Set(await Promise.all(checks)).size, 3);
  t.same(order, ['somebody else', 'a', 'b', 'c']);
  t.equal(await hasher.digest(Buffer.from('a'), of), await checks[0], 'and it works again after it ran dry');
});

t.test('a flood is refused rather than queued', async (t) => {
  const hasher = new PasswordHasher();
  const short = { ...of, rounds: 300 };
  const checks = Array.from({ length: 300 }, () => hasher.digest(Buffer.from('p'), short));
  const results = await Promise.allSettled(checks);
  const refused = results.filter((result) => result.status === 'rejected');
  t.equal(refused.length, 300 - 256);
  t.ok(refused.every(({ reason }) => reason instanceof AuthBusyError && reason.errno === 1040));
  t.match(await hasher.digest(Buffer.from('p'), short), /^[./0-9A-Za-z]{43}$/, 'later ones are served');
});
