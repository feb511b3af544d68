import t from 'tap';
import { parseCachingSha2Hash } from '../../src/config/password-hash.js';

const SALT = 'abcdefghij0123456789';
const DIGEST = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijk./0123';
const HASH = `$A$005$${SALT}${DIGEST}`;
const hex = (bytes: string | Buffer): string => `0x${Buffer.from(bytes).toString('hex')}`;

t.test('a hash as it is, and in hexadecimal', async (t) => {
  for (const text of [HASH, hex(HASH), hex(HASH).toUpperCase().replace('0X', '0x')]) {
    t.same(parseCachingSha2Hash(text), { rounds: 5_000, salt: Buffer.from(SALT), digest: DIGEST }, text);
  }
  t.equal(parseCachingSha2Hash(`$A$FFF$${SALT}${DIGEST}`).rounds, 4_095_000);
  const salt = Buffer.from('0102030405060708090a0b0c0d0e0f10117f2c22', 'hex');
  const binary = Buffer.concat([Buffer.from('$A$00A$'), salt, Buffer.from(DIGEST)]);
  t.same(
    parseCachingSha2Hash(hex(binary)),
    { rounds: 10_000, salt, digest: DIGEST },
    'a salt of unprintable bytes',
  );
});

t.test('hashes that are none', async (t) => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['', /must begin with/],
    ['secret', /must begin with/],
    [`$B$005$${SALT}${DIGEST}`, /must begin with/],
    [`$A$004$${SALT}${DIGEST}`, /must begin with/],
    [`$A$00G$${SALT}${DIGEST}`, /must begin with/],
    ['*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19', /must begin with/],
    [HASH.slice(0, -1), /has 69 bytes/],
    [`${HASH}x`, /has 71 bytes/],
    [`$A$005$é${SALT.slice(1)}${DIGEST}`, /has 71 bytes.*hexadecimal/],
    [hex(HASH).slice(0, -1), /must begin with/],
    [hex(HASH).slice(0, -2), /has 69 bytes/],
    [`$A$005$$${SALT.slice(1)}${DIGEST}`, /in its salt/],
    [hex(HASH.replace('a', '\0')), /in its salt/],
    [`$A$005$${SALT}${DIGEST.replace('/', '+')}`, /43 characters/],
  ];
  for (const [text, message] of bad) {
    t.throws(() => parseCachingSha2Hash(text), { name: 'InvalidValue', message }, JSON.stringify(text));
  }
});
