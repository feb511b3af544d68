import t from 'tap';
import { Places } from '../../src/app/places.js';

t.test('so many at a time, the others in order', async (t) => {
  const places = new Places(2, 60_000);
  const [first, second] = [await places.enter(), await places.enter()];
  const entered: string[] = [];
  const third = places.enter().then((leave) => {
    entered.push('third');
    return leave;
  });
  const fourth = places.enter().then((leave) => {
    entered.push('fourth');
    return leave;
  });
  second?.();
  second?.();
  const leaveThird = await third;
  t.strictSame(entered, ['third'], 'whoever leaves twice makes room once');
  leaveThird?.();
  (await fourth)?.();
  first?.();
  t.strictSame(entered, ['third', 'fourth']);
  t.not(await places.enter(), null);
});

t.test('who has waited for too long has no place, and takes none from others', async (t) => {
  const places = new Places(1, 1);
  const leave = await places.enter();
  t.equal(await places.enter(), null);
  leave?.();
  t.not(await places.enter(), null);
});

t.test('no more than some hundred wait', async (t) => {
  const places = new Places(0, 500);
  const order: string[] = [];
  const waiting = Array.from({ length: 256 }, () => places.enter().then(() => order.push('waited')));
  await places.enter().then(() => order.push('refused'));
  await Promise.all(waiting);
  t.equal(order[0], 'refused', 'at once');
  t.equal(order.length, 257);
});
