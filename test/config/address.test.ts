import t from 'tap';
import { formatAddress, parseListenAddress, parseTcpAddress } from '../../src/config/address.js';
import { fc } from '../support/properties.js';

t.test('addresses to listen on', async (t) => {
  t.same(parseListenAddress('127.0.0.1:6033'), { kind: 'tcp', host: '127.0.0.1', port: 6033 });
  t.same(parseListenAddress('[::1]:6033'), { kind: 'tcp', host: '::1', port: 6033 });
  t.same(parseListenAddress('localhost:0'), { kind: 'tcp', host: 'localhost', port: 0 });
  t.same(parseListenAddress('db_1.internal:65535'), { kind: 'tcp', host: 'db_1.internal', port: 65_535 });
  t.same(parseListenAddress('unix:/run/my bouncer.sock'), { kind: 'unix', path: '/run/my bouncer.sock' });
  t.same(parseListenAddress('unix:relative.sock'), { kind: 'unix', path: 'relative.sock' });
});

t.test('addresses that are none', async (t) => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /names no host/],
    ['6033', /did you mean 127\.0\.0\.1:6033\?/],
    [':6033', /names no host/],
    ['localhost', /names no port/],
    ['localhost:', /names no port/],
    ['localhost:70000', /from 0 to 65535/],
    ['localhost:-1', /from 0 to 65535/],
    ['localhost:0x10', /from 0 to 65535/],
    ['localhost:mysql', /from 0 to 65535/],
    ['::1', /without brackets/],
    ['::1:6033', /without brackets/],
    ['[::1]', /names no port|valid host|without brackets/],
    ['[nonsense]:6033', /no valid host/],
    ['a b:6033', /no valid host/],
    ['mysql://h:6033', /no valid host|without brackets/],
    ['/run/x.sock', /did you mean unix:\/run\/x\.sock\?/],
    ['unix:', /names no path/],
    [`unix:/${'x'.repeat(107)}`, /more than 107 bytes/],
    [`unix:/${'é'.repeat(54)}`, /more than 107 bytes/],
    ['unix:/a\0b', /NUL/],
  ];
  for (const [text, message] of bad) {
    t.throws(() => parseListenAddress(text), { name: 'InvalidValue', message }, JSON.stringify(text));
  }
  t.throws(() => parseTcpAddress('unix:/run/x.sock'), { message: /port that is not a number/ });
});

t.test('what is written is read back', async () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  const tcp = fc.record({ kind: fc.constant('tcp' as const), host, port: fc.nat({ max: 65_535 }) });
  fc.assert(
    fc.property(tcp, (address) => {
      const read = parseListenAddress(formatAddress(address));
      return read.kind === 'tcp' && read.host === address.host && read.port === address.port;
    }),
  );
});
