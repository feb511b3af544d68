import t from 'tap';
import { ServerAccount } from '../../src/backend/upstream.js';
import { Conditions } from '../../src/relay/conditions.js';
import {
  type AnswerGround,
  type LearnedAnswer,
  LearnedAnswers,
  type LearnedAnswersOptions,
} from '../../src/relay/learned-answers.js';
import { ProfileRegistry, type SessionProfile } from '../../src/session/profile.js';

const registry = new ProfileRegistry();
const BASELINE = registry.baseline(new Map([['time_zone', 'SYSTEM']]));
const HOME = registry.initial(BASELINE, 'app', true);
const AWAY = HOME.withVariable('time_zone', '+05:00');
const TEXT = "SET time_zone='+05:00'";

class World {
  now = 0;
  readonly account = new ServerAccount('app', () => '');
  readonly answers: LearnedAnswers;

  constructor(options: Partial<LearnedAnswersOptions> = {}) {
    this.account.loginBaseline = BASELINE;
    this.account.resetBaseline = BASELINE;
    this.answers = new LearnedAnswers({ now: () => this.now, ...options });
  }

  ground(more: Partial<AnswerGround> = {}): AnswerGround {
    return { account: this.account, profile: HOME, capabilities: 2, ...more };
  }

  learn(text: string, profile: SessionProfile = AWAY, ground = this.ground()): LearnedAnswer {
    const answer = { profile, status: 2, packets: [Buffer.from('packet')], conditions: Conditions.NONE };
    this.answers.learn(ground, Buffer.from(text), answer);
    return answer;
  }

  deservesLesson(text: string, ground = this.ground()): boolean {
    const buf = Buffer.from(`>>>>${text}<<`);
    return this.answers.deservesLesson(ground, buf, 4, 4 + Buffer.byteLength(text));
  }

  fail(text: string, ground = this.ground()): void {
    this.answers.failed(ground, Buffer.from(text));
  }

  find(text: string, ground = this.ground()): LearnedAnswer | null {
    // Somewhere in a larger buffer, as in life.
    const buf = Buffer.from(`>>>>${text}<<`);
    return this.answers.find(ground, buf, 4, 4 + Buffer.byteLength(text));
  }
}

t.test('an answer is found by its exact text and ground', async (t) => {
  const world = new World();
  t.equal(world.find(TEXT), null);
  const answer = world.learn(TEXT);
  t.equal(world.find(TEXT), answer);
  t.equal(world.find(`${TEXT} `), null);
  t.equal(world.find(TEXT.toLowerCase()), null);
  t.equal(world.find(TEXT, world.ground({ profile: AWAY })), null);
  t.equal(world.find(TEXT, world.ground({ capabilities: 3 })), null);
  t.equal(world.find(TEXT, world.ground({ account: new World().account })), null);
  const again = world.learn(TEXT);
  t.equal(world.find(TEXT), again, 'learned anew, it replaces what was there');
  t.equal(world.answers.size, 1);
});

t.test('texts are bytes, whatever their character set', async (t) => {
  const world = new World();
  const sjis = Buffer.from([0x53, 0x45, 0x54, 0x83, 0x5c]);
  world.answers.learn(world.ground(), sjis, {
    profile: AWAY,
    status: 2,
    packets: [],
    conditions: Conditions.NONE,
  });
  t.ok(world.answers.find(world.ground(), sjis, 0, sjis.length));
  const other = Buffer.from([0x53, 0x45, 0x54, 0x84, 0x5c]);
  t.equal(world.answers.find(world.ground(), other, 0, other.length), null);
});

t.test('texts that come in turn are all remembered', async (t) => {
  const world = new World();
  const texts = Array.from({ length: 200 }, (_, i) => `SET time_zone='+0${i}:00'`);
  for (const text of texts) world.deservesLesson(text);
  t.strictSame(
    texts.filter((text) => !world.deservesLesson(text)),
    [],
  );
});

t.test('what was not used for longest goes first', async (t) => {
  const world = new World({ maxEntries: 3 });
  for (const text of ['SET a=1', 'SET b=1', 'SET c=1']) world.learn(text);
  t.ok(world.find('SET a=1'));
  world.learn('SET d=1');
  t.equal(world.answers.size, 3);
  t.equal(world.find('SET b=1'), null);
  for (const text of ['SET a=1', 'SET c=1', 'SET d=1']) t.ok(world.find(text), text);
});

t.test('bytes are bounded', async (t) => {
  const world = new World({ maxBytes: 2_000 });
  for (let i = 0; i < 100; i++) {
    world.learn(`SET a=${i}`);
    t.ok(world.answers.bytes <= 2_000);
  }
  t.ok(world.answers.size > 2);
  t.ok(world.find('SET a=99'));
  world.learn(`SET a='${'x'.repeat(1_900)}'`);
  t.ok(world.find('SET a=99'), 'one that is too large drives nothing out');
  world.answers.clear();
  t.equal(world.answers.bytes, 0);
  const roomy = new World();
  const long = `SET a='${'x'.repeat(2_048)}'`;
  roomy.learn(long);
  t.equal(roomy.find(long), null, 'a long text is no preamble');
  t.equal(roomy.answers.size, 0);
});

t.test('an answer is forgotten after a time', async (t) => {
  const world = new World({ ttlMs: 1_000 });
  world.learn(TEXT);
  world.now = 999;
  t.ok(world.find(TEXT));
  world.now = 1_000;
  t.equal(world.find(TEXT), null, 'however often it was used');
  t.equal(world.answers.size, 0);
});

t.test('an answer is void when sessions of its account begin differently', async (t) => {
  for (const which of ['loginBaseline', 'resetBaseline'] as const) {
    const world = new World();
    world.learn(TEXT);
    world.account[which] = registry.baseline(new Map([['time_zone', 'UTC']]));
    t.equal(world.find(TEXT), null, which);
    world.account[which] = BASELINE;
    t.equal(world.find(TEXT), null, 'for good');
  }
});

t.test('another server process has taught nothing', async (t) => {
  const world = new World();
  world.answers.sessionOpened(17, '9.7.4');
  world.learn(TEXT);
  world.answers.sessionOpened(18, '9.7.4');
  world.answers.sessionOpened(40, '9.7.4');
  t.ok(world.find(TEXT));
  world.answers.sessionOpened(12, '9.7.4');
  t.equal(world.find(TEXT), null, 'its ids begin anew');
  world.learn(TEXT);
  world.answers.sessionOpened(41, '9.7.5');
  t.equal(world.find(TEXT), null, 'another version');
});

t.test('a text is worth a lesson when it comes again', async (t) => {
  const world = new World();
  t.equal(world.deservesLesson(TEXT), false);
  t.equal(world.deservesLesson(TEXT), true);
  t.equal(world.deservesLesson(TEXT.slice(0, -1)), false);
  for (let i = 0; i < 3; i++) t.equal(world.deservesLesson('x'.repeat(4_096)), false);
});

t.test('clients of which each is in a state of its own get no lessons', async (t) => {
  const world = new World();
  for (let i = 0; i < 500; i++) {
    const profile = HOME.withUserVariable('request', { literal: `'${i}'`, over: null, environment: null });
    t.equal(world.deservesLesson('SET NAMES utf8mb4', world.ground({ profile })), false);
  }
  t.equal(world.deservesLesson('SET NAMES utf8mb4'), false);
  t.equal(world.deservesLesson('SET NAMES utf8mb4'), true);
});

t.test('a state that comes again is the same, whether it was forgotten or not', async (t) => {
  const world = new World();
  const again = (): AnswerGround => {
    const registry = new ProfileRegistry();
    return world.ground({ profile: registry.initial(registry.baseline(new Map()), 'app', true) });
  };
  t.equal(world.deservesLesson(TEXT, again()), false);
  t.equal(world.deservesLesson(TEXT, again()), true);
});

t.test('a lesson that failed is not given again, for a time', async (t) => {
  const world = new World({ ttlMs: 1_000 });
  world.deservesLesson(TEXT);
  world.fail(TEXT);
  t.equal(world.deservesLesson(TEXT), false);
  const elsewhere = world.ground({ profile: AWAY });
  world.deservesLesson(TEXT, elsewhere);
  t.equal(world.deservesLesson(TEXT, elsewhere), true, 'in another state it may not fail');
  world.now = 999;
  t.equal(world.deservesLesson(TEXT), false);
  world.now = 1_000;
  t.equal(world.deservesLesson(TEXT), true);
  world.fail(TEXT);
  world.answers.clear();
  t.equal(world.deservesLesson(TEXT), true, 'another server may answer otherwise');
});

t.test('failed lessons are bounded in number', async (t) => {
  const world = new World();
  world.fail(TEXT);
  for (let i = 0; i < 1_024; i++) world.fail(`SET a=${i}`);
  world.deservesLesson(TEXT);
  t.equal(world.deservesLesson(TEXT), true, 'the oldest is forgotten');
  world.deservesLesson('SET a=1023');
  t.equal(world.deservesLesson('SET a=1023'), false);
});
