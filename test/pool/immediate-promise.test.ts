import t from 'tap';

import { ImmediatePromise } from '../../src/pool/immediate-promise.js';

t.test('reactions run at once, whichever comes first', async (t) => {
  const seen: unknown[] = [];
  let resolve: (value: number) => void = () => {};
  const late = new ImmediatePromise<number>((done) => {
    resolve = done;
  });
  late.then((value) => seen.push(value));
  late.then((value) => seen.push(value * 2));
  t.same(seen, []);
  t.equal(late.state, 'pending');
  resolve(21);
  t.same(seen, [21, 42], 'in order of registration');
  late.then((value) => seen.push(-value));
  t.same(seen, [21, 42, -21]);
});

t.test('settles once', async (t) => {
  const promise = new ImmediatePromise<number>((resolve, reject) => {
    resolve(1);
    resolve(2);
    reject(new Error('too late'));
  });
  const seen: number[] = [];
  promise.then((value) => seen.push(value));
  t.same(seen, [1]);
  t.equal(promise.state, 'fulfilled');
  t.equal(promise.reason, undefined);
});

t.test('values, promises and errors pass down a chain', async (t) => {
  const seen: unknown[] = [];
  ImmediatePromise.resolve(1)
    .then((value) => ImmediatePromise.resolve(value + 1))
    .then((value) => {
      seen.push(value);
      throw new Error('boom');
    })
    .then(() => seen.push('skipped'))
    .catch((error: unknown) => {
      seen.push((error as Error).message);
      return 'mended';
    })
    .then((value) => seen.push(value));
  t.same(seen, [2, 'boom', 'mended']);
});

t.test('a rejection nobody handles stays readable', async (t) => {
  const reason = new Error('why');
  t.equal(ImmediatePromise.reject(reason).state, 'rejected');
  t.equal(ImmediatePromise.reject(reason).reason, reason);
  t.equal(ImmediatePromise.reject(reason).then(() => 1).reason, reason);
  const thrown = new ImmediatePromise(() => {
    throw reason;
  });
  t.equal(thrown.reason, reason);
});

t.test('adopts an ordinary promise', async (t) => {
  const adopted = ImmediatePromise.resolve(Promise.resolve(7));
  t.equal(adopted.state, 'pending');
  t.equal(await adopted, 7);
  const failed = ImmediatePromise.resolve(Promise.reject(new Error('no')));
  await t.rejects(Promise.resolve(failed), { message: 'no' });
});

t.test('resolve gives back a promise of its own kind', async (t) => {
  const promise = ImmediatePromise.resolve(1);
  t.equal(ImmediatePromise.resolve(promise), promise);
});
