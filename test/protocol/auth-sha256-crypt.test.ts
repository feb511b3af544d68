import t from 'tap';
import { Sha256Crypt } from '../../src/protocol/auth-sha256-crypt.js';

function crypt(password: string, salt: string | Buffer, rounds: number, portion: number): string {
  const run = new Sha256Crypt(Buffer.from(password), Buffer.from(salt), rounds);
  while (!run.run(portion));
  return run.digest();
}

t.test("as crypt(3) of glibc hashes the specification's examples", async (t) => {
  const vectors = [
    ['Hello world!', 'saltstring', 5_000, '5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'],
    ['Hello world!', 'saltstringsaltst', 10_000, '3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA'],
    ['This is just a test', 'toolongsaltstrin', 5_000, 'Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5'],
    [
      'a very much longer text to encrypt.  This one even stretches over morethan one line.',
      'anotherlongsalts',
      1_400,
      'Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1',
    ],
    [
      'we have a short salt string but not a short password',
      'short',
      77_777,
      'JiO1O3ZpDAxGJeaDIuqCoEFysAe1mZNJRs3pw0KQRd/',
    ],
    ['a short string', 'asaltof16chars..', 123_456, 'gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD'],
  ] as const;
  for (const [password, salt, rounds, digest] of vectors) {
    t.equal(crypt(password, salt, rounds, 10_000_000), digest, password);
  }
});

t.test('what MySQL 9.7.4 stored ($A$00A$: 10,000 rounds), with its salt of 20 bytes', async (t) => {
  const salt = Buffer.from('1B717179484E3F6F740B38617B4A0B25581F6F39', 'hex');
  const digest = Buffer.from(
    '7467367975564831346563773261432E5156686533425558622E35786D6534724B737648716937542F4831',
    'hex',
  );
  t.equal(crypt('secret pass', salt, 10_000, 5_000), digest.toString('latin1'));
  t.not(crypt('secret pasS', salt, 10_000, 5_000), digest.toString('latin1'));
});

t.test('portions of any size come to the same', async (t) => {
  const whole = crypt('portioned', 'aaaaaaaaaaaaaaaaaaaa', 1_000, 1_000);
  for (const portion of [1, 7, 250, 999])
    t.equal(crypt('portioned', 'aaaaaaaaaaaaaaaaaaaa', 1_000, portion), whole);
});

t.test('passwords of every length around the block sizes, the empty one too', async (t) => {
  const seen = new Set(
    [0, 1, 31, 32, 33, 63, 64, 65, 256].map((n) => crypt('p'.repeat(n), 'saltsaltsaltsaltsalt', 100, 100)),
  );
  t.equal(seen.size, 9);
  for (const digest of seen) t.match(digest, /^[./0-9A-Za-z]{43}$/);
});
