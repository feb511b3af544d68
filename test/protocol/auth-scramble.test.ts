import t from 'tap';
import {
  nativeDigest,
  sha2Digest,
  verifyCachingSha2,
  verifyNative,
  xorInto,
} from '../../src/protocol/auth-scramble.js';
import { fc } from '../support/properties.js';
import { nativeResponse, sha2Response } from './support/client-side.js';

const password = fc.string({ minLength: 1, maxLength: 80, unit: 'grapheme' });
const scramble = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => Buffer.from(bytes));

t.test('digests are the ones the servers store', async (t) => {
  // SELECT PASSWORD('mypass') on MariaDB: *6C8989366EAF75BB670AD8EA7A7FC1176A95CEF4
  t.equal(nativeDigest('mypass').toString('hex'), '6c8989366eaf75bb670ad8ea7a7fc1176a95cef4');
  t.equal(sha2Digest('').toString('hex'), '5df6e0e2761359d30a8275058e299fcc0381534545f55cf43e41983f5d4c9456');
});

t.test('the right password proves itself, whatever it and the scramble are', async () => {
  fc.assert(
    fc.property(password, scramble, (pw, nonce) => {
      return (
        verifyNative(nativeResponse(pw, nonce), nonce, nativeDigest(pw)) &&
        verifyCachingSha2(sha2Response(pw, nonce), nonce, sha2Digest(pw))
      );
    }),
  );
});

t.test('another password, another scramble or a changed response does not', async () => {
  fc.assert(
    fc.property(password, password, scramble, scramble, fc.nat(19), (pw, other, nonce, stale, at) => {
      fc.pre(pw !== other && !nonce.equals(stale));
      const native = nativeResponse(pw, nonce);
      const sha2 = sha2Response(pw, nonce);
      const wrong = [
        verifyNative(nativeResponse(other, nonce), nonce, nativeDigest(pw)),
        verifyNative(native, stale, nativeDigest(pw)),
        verifyCachingSha2(sha2Response(other, nonce), nonce, sha2Digest(pw)),
        verifyCachingSha2(sha2, stale, sha2Digest(pw)),
      ];
      native[at] = (native[at] as number) ^ 1;
      sha2[at] = (sha2[at] as number) ^ 1;
      wrong.push(
        verifyNative(native, nonce, nativeDigest(pw)),
        verifyCachingSha2(sha2, nonce, sha2Digest(pw)),
      );
      return !wrong.includes(true);
    }),
  );
});

t.test('responses of any length are judged, not thrown at', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), scramble, (bytes, nonce) => {
      const response = Buffer.from(bytes);
      return (
        !verifyNative(response, nonce, nativeDigest('x')) &&
        !verifyCachingSha2(response, nonce, sha2Digest('x'))
      );
    }),
  );
});

t.test('xorInto repeats the key and undoes itself', async (t) => {
  const target = Buffer.from('abcdefg');
  xorInto(target, Buffer.of(1, 2, 3));
  t.same(
    [...target],
    [...Buffer.from('abcdefg')].map((byte, i) => byte ^ ((i % 3) + 1)),
  );
  xorInto(target, Buffer.of(1, 2, 3));
  t.equal(target.toString(), 'abcdefg');
});
