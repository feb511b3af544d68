import t from 'tap';
import { Secret } from '../../src/config/secret.js';
import { createLogger } from '../../src/observability/logger.js';

function capture(): { lines: string[]; stream: { write(line: string): void } } {
  const lines: string[] = [];
  return { lines, stream: { write: (line) => void lines.push(line) } };
}

t.test('a line', async (t) => {
  const { lines, stream } = capture();
  const logger = createLogger('info', stream);
  logger.info({ client: 7 }, 'ready');
  logger.debug('not written');
  t.equal(lines.length, 1);
  t.ok(lines[0]?.endsWith('}\n'));
  const line: unknown = JSON.parse(lines[0] ?? '');
  t.match(line, { level: 'info', pid: process.pid, client: 7, msg: 'ready', time: /^\d{4}-.*T.*Z$/ });
});

t.test('levels', async (t) => {
  const words = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const;
  for (const [index, level] of words.entries()) {
    const { lines, stream } = capture();
    const logger = createLogger(level, stream);
    for (const word of words) logger[word]('x');
    t.same(
      lines.map((line) => JSON.parse(line).level),
      words.slice(0, index + 1),
      level,
    );
  }
  const { lines, stream } = capture();
  createLogger('silent', stream).fatal('x');
  t.same(lines, []);
});

t.test('no secret gets out', async (t) => {
  const { lines, stream } = capture();
  const logger = createLogger('info', stream);
  const password = 'hunter2';
  const error = Object.assign(new Error('mysql://app:hunter2@db is down'), {
    password,
    config: { password },
  });
  logger.info({ password });
  logger.info({ user: { password, passwd: password, hash: password } });
  logger.info({ config: { upstream: { password } } });
  logger.info({ secret: new Secret(password), deep: { er: { any: { thing: new Secret(password) } } } });
  logger.info({ url: 'mysql://app:hunter2@db/shop' }, 'connecting to mysql://app:hunter2@db/shop');
  logger.info('to %s and %o', 'mysql://app:hunt@er2hunter2@db', { a: new Secret(password) });
  logger.error({ err: error }, 'failed');
  logger.error(new Error('outer', { cause: error }));
  logger.child({ upstream: { password } }).info('child');
  t.equal(lines.length, 9);
  for (const line of lines) {
    t.doesNotThrow(() => JSON.parse(line), 'still JSON');
    t.notMatch(line, /hunter2/);
    t.match(line, /\[secret\]/);
  }
});
