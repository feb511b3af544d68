import t from 'tap';
import type { Holder } from '../../src/fork-guard/messages.js';
import { judge } from '../../src/fork-guard/verdict.js';

const opener: Holder = {
  pid: 10,
  name: 'gunicorn',
  executable: '/usr/bin/python3',
  stackStart: '7001',
  startTicks: 1_000,
  ageMs: 60_000,
  state: 'S',
  cpuTicks: 300,
  progress: '1 2 3',
};
const young: Holder = { ...opener, pid: 11, startTicks: 7_000, ageMs: 0, cpuTicks: 0 };

t.test('nobody, or one', async (t) => {
  t.same(judge([], new Map(), 0), { kind: 'single' });
  t.same(judge([young], new Map(), 0), { kind: 'single' });
});

t.test('a process that may be on its way to another program', async (t) => {
  const sightings = new Map();
  const wait = { kind: 'wait', opener, holders: [10, 11] };
  t.same(judge([young, opener], sightings, 0), wait);
  t.same(judge([young, opener], sightings, 49), wait);
  const shared = { ...wait, kind: 'shared' };
  t.same(judge([young, opener], sightings, 50), shared, 'it has slept between two sightings');
});

t.test('one that moves', async (t) => {
  const sightings = new Map();
  const at = (now: number, change: Partial<Holder>): string =>
    judge([opener, { ...young, ...change }], sightings, now).kind;
  t.equal(at(0, { progress: 'a' }), 'wait');
  t.equal(at(60, { progress: 'b', ageMs: 60 }), 'wait', 'it has run meanwhile');
  t.equal(at(120, { progress: 'b', ageMs: 120, state: 'R' }), 'wait', 'it would run');
  t.equal(at(180, { progress: 'b', ageMs: 180 }), 'shared', 'it sleeps');
  t.equal(at(0, { progress: 'c', ageMs: 1_000 }), 'shared', 'nothing takes that long on the way');
  t.equal(at(0, { progress: 'd', ageMs: 1_000, state: 'R' }), 'wait', 'but for want of a processor');
  t.equal(at(0, { progress: 'e', cpuTicks: 5, state: 'R' }), 'shared', 'or so much of it');
});

t.test('one that has slept again and again', async (t) => {
  const sightings = new Map();
  const at = (now: number, change: Partial<Holder>): string =>
    judge([opener, { ...young, ageMs: now, ...change }], sightings, now).kind;
  t.equal(at(0, { progress: 'a' }), 'wait', 'once');
  t.equal(at(25, { progress: 'a' }), 'wait', 'it has not run since');
  t.equal(at(50, { progress: 'b', state: 'R' }), 'wait', 'it runs');
  t.equal(at(75, { progress: 'c' }), 'wait', 'twice');
  t.equal(at(100, { progress: 'd' }), 'shared', 'three times');
});

t.test('other programs', async (t) => {
  const old = { ageMs: 5_000 };
  const other = { ...young, ...old, executable: '/bin/sleep', stackStart: '7002' };
  t.equal(judge([opener, other], new Map(), 0).kind, 'single', 'have it by mistake');
  const again = { ...young, ...old, stackStart: '7002' };
  t.equal(judge([opener, again], new Map(), 0).kind, 'single', 'the same one, run once more');
  t.equal(judge([opener, other, { ...other, pid: 12 }], new Map(), 0).kind, 'single', 'and their children');
  const heir = { ...young, ...old, pid: 13 };
  t.same(judge([other, heir, opener], new Map(), 0), { kind: 'shared', opener, holders: [10, 13] });
});
