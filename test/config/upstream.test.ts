import { inspect } from 'node:util';
import t from 'tap';
import type { Address } from '../../src/config/address.js';
import { InvalidValue } from '../../src/config/problem.js';
import { Secret } from '../../src/config/secret.js';
import { formatUrl, parseUpstream } from '../../src/config/upstream.js';
import { fc } from '../support/properties.js';

const tcp = (host: string, port: number): Address => ({ kind: 'tcp', host, port });
const unix = (path: string): Address => ({ kind: 'unix', path });

t.test('URLs', async (t) => {
  const good: readonly (readonly [string, string, string, Address, string | null])[] = [
    ['mysql://app:secret@db:3307/shop', 'app', 'secret', tcp('db', 3307), 'shop'],
    ['mysql://app:secret@db', 'app', 'secret', tcp('db', 3306), null],
    ['mysql://app:secret@db/', 'app', 'secret', tcp('db', 3306), null],
    ['mariadb://app@10.0.0.1/shop', 'app', '', tcp('10.0.0.1', 3306), 'shop'],
    ['mysql://app:@db', 'app', '', tcp('db', 3306), null],
    ['MySQL://app:x@db', 'app', 'x', tcp('db', 3306), null],
    ['mysql2://app:x@db/shop', 'app', 'x', tcp('db', 3306), 'shop'],
    ['mysql+pymysql://app:x@db/shop', 'app', 'x', tcp('db', 3306), 'shop'],
    ['mysql://app:x@[::1]:3307/shop', 'app', 'x', tcp('::1', 3307), 'shop'],
    ['mysql://app:x@[2001:db8::7]/shop', 'app', 'x', tcp('2001:db8::7', 3306), 'shop'],
    ['mysql://a%40b:p%3A%2F%23%25%C3%A9@db/sh%C3%B6p', 'a@b', 'p:/#%é', tcp('db', 3306), 'shöp'],
    ['mysql://app:p@ss:word@db/shop', 'app', 'p@ss:word', tcp('db', 3306), 'shop'],
    ['mysql://app:x@localhost/shop?socket=/run/my.sock', 'app', 'x', unix('/run/my.sock'), 'shop'],
    ['mysql://app:x@/shop?socket=%2Frun%2Fmy%20sql.sock', 'app', 'x', unix('/run/my sql.sock'), 'shop'],
    ['mysql://app:x@unix(/run/my.sock)/shop', 'app', 'x', unix('/run/my.sock'), 'shop'],
    ['mysql://app:p@unix(/run/my.sock)', 'app', 'p', unix('/run/my.sock'), null],
    ['  mysql://app:x@db\n', 'app', 'x', tcp('db', 3306), null],
  ];
  for (const [url, user, password, address, schema] of good) {
    const target = parseUpstream(url);
    t.same({ ...target, password: target.password.reveal() }, { user, password, address, schema }, url);
  }
});

t.test('URLs that are none', async (t) => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /is not a URL/],
    ['db:3306', /is not a URL/],
    ['app:hunter2@db', /is not a URL/],
    ['mysql:/app:hunter2@db', /is not a URL/],
    ['postgres://app:hunter2@db/shop', /is a postgres:\/\/ URL/],
    ['mysql://', /names no user/],
    ['mysql://db:3306/shop', /names no user/],
    ['mysql://:hunter2@db', /names no user/],
    ['mysql://app:hunter2@', /names no host/],
    ['mysql://app:hunter2@:3306', /names no host/],
    ['mysql://app:hunter2@/shop', /names no host/],
    ['mysql://app:hunter2@db:0', /port that is not/],
    ['mysql://app:hunter2@db:65536', /port that is not/],
    ['mysql://app:hunter2@db:', /port that is not/],
    ['mysql://app:hunter2@db:hunter2', /port that is not/],
    ['mysql://app:hunter2@d b', /no valid host/],
    ['mysql://app:hunter2@[::1', /no valid host/],
    ['mysql://app:hunter2@::1', /names no host|port that is not/],
    ['mysql://app:hunter2/x@db/shop', /behind the host/],
    ['mysql://app:hunter2#x@db/shop', /behind the host/],
    ['mysql://app:hunter2?x@db/shop', /behind the host/],
    ['mysql://app:hunter2@db/shop#x', /behind the host/],
    ['mysql://app:hunter2%@db', /% in the password/],
    ['mysql://app:hunter2%zz@db', /% in the password/],
    ['mysql://app:hunter2%ff@db', /% in the password/],
    ['mysql://app%:hunter2@db', /% in the user/],
    ['mysql://app:hunter2%00@db', /NUL byte in the password/],
    ['mysql://app:hunter2@db/%', /% in the schema/],
    ['mysql://app:hunter2@db/a/b', /more than one \//],
    ['mysql://app:hunter2@db/shop?ssl=REQUIRED', /has "ssl" behind the \?/],
    ['mysql://app:hunter2@db/shop?charset=utf8&socket=/x', /has "charset"/],
    ['mysql://app:hunter2@db/shop?socket=/x', /both a unix socket and a host/],
    ['mysql://app:hunter2@localhost:3306/shop?socket=/x', /both a unix socket and a host/],
    ['mysql://app:hunter2@localhost/shop?socket=', /names no path/],
    ['mysql://app:hunter2@localhost?socket=/x&socket=/y', /two socket/],
    ['mysql://app:hunter2@unix()/shop', /names no path/],
    ['mysql://app:hunter2@unix(/x)/shop?socket=/y', /two unix sockets/],
    ['mysql://app:hunter2@unix(/x)y/shop', /between the socket/],
    [`mysql://app:hunter2@unix(/${'x'.repeat(110)})/shop`, /more than 107 bytes/],
  ];
  for (const [url, message] of bad) {
    t.throws(() => parseUpstream(url), { name: 'InvalidValue', message }, url);
    t.throws(() => parseUpstream(url), { message: /^(?!.*hunter2)/s }, `${url}: without the password`);
  }
});

t.test('no message quotes a password, however mistyped the URL', async (t) => {
  const mark = 'Zq7xVw';
  const raw = fc.array(
    fc.constantFrom('@', ':', '/', '?', '#', '%', '[', ']', '(', ')', ' ', 'a', '1', '=', '&', mark),
  );
  let refused = 0;
  fc.assert(
    fc.property(raw, fc.constantFrom('mysql://app:', 'mysql:/app:', 'app:'), (pieces, start) => {
      const url = `${start}${mark}${pieces.join('')}@db:3306/shop`;
      try {
        parseUpstream(url);
        return true;
      } catch (error) {
        refused++;
        return error instanceof InvalidValue && !error.message.includes(mark);
      }
    }),
    { numRuns: 3_000 },
  );
  t.ok(refused > 100, 'many are refused');
});

t.test('what is written is read back', async () => {
  const word = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !text.includes('\0'));
  const address = fc.constantFrom(tcp('db', 3306), tcp('::1', 1), unix('/run/a b@(x).sock'));
  fc.assert(
    fc.property(
      word,
      word,
      fc.option(word.filter((text) => !text.includes('/'))),
      address,
      (user, password, schema, where) => {
        const read = parseUpstream(
          formatUrl({ user, password: new Secret(password), schema, address: where }),
        );
        return (
          read.user === user &&
          read.password.reveal() === password &&
          read.schema === schema &&
          JSON.stringify(read.address) === JSON.stringify(where)
        );
      },
    ),
  );
});

t.test('a target does not show its password', async (t) => {
  const target = parseUpstream('mysql://app:hunter2@db/shop');
  for (const text of [
    `${target.password}`,
    JSON.stringify(target),
    inspect(target, { depth: 9, showHidden: true }),
  ]) {
    t.notMatch(text, /hunter2/);
    t.match(text, /\[secret\]/);
  }
});
