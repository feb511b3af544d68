import { spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Secret } from '../../src/config/secret.js';
import { type SecretFile, SecretFiles } from '../../src/config/secret-files.js';

interface Watched {
  readonly files: SecretFiles;
  readonly file: SecretFile;
  readonly path: string;
  readonly told: string[];
  /** Looks at the files, as often as it takes. */
  until(what: string, condition: () => boolean): Promise<void>;
  /** Looks at the files so many times. */
  looks(times: number): Promise<void>;
}

function watch(path: string, password: string): Watched {
  const told: string[] = [];
  const tell = (fields: object, message: string): void =>
    void told.push(`${message} ${JSON.stringify(fields)}`);
  const files = new SecretFiles({ info: tell, warn: tell });
  const file = files.add({ file: path, password: new Secret(password) });
  if (file === null) throw new Error('it stands in a file');
  const looks = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) {
      files.secondPassed();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const until = async (what: string, condition: () => boolean): Promise<void> => {
    for (let i = 0; i < 500 && !condition(); i++) await looks(1);
    if (!condition()) throw new Error(`waited in vain until ${what}`);
  };
  return { files, file, path, told, until, looks };
}

t.test('a file that changes is taken in, however it was changed', async (t) => {
  const folder = t.testdir({ plain: 'one\n', v1: { token: 'uno' }, v2: { token: 'dos' } });
  const { file, path, told, until } = watch(join(folder, 'plain'), 'one');
  let changes = 0;
  file.changed.push(() => changes++);
  writeFileSync(path, 'two\n');
  await until('it is written in place', () => file.password === 'two');
  t.equal(file.previous, 'one');
  writeFileSync(join(folder, 'new'), 'six');
  renameSync(join(folder, 'new'), path);
  await until('another is renamed over it', () => file.password === 'six');
  t.equal(changes, 2);
  t.equal(told.length, 2);
  t.notMatch(told.join(), /two|six/);

  // As Kubernetes mounts a secret: the file is a link into ..data, which is a link that is swapped.
  symlinkSync('v1', join(folder, '..data'));
  symlinkSync(join('..data', 'token'), join(folder, 'token'));
  const pod = watch(join(folder, 'token'), 'uno');
  await pod.looks(3);
  t.equal(pod.file.previous, null);
  symlinkSync('v2', join(folder, '..data.new'));
  renameSync(join(folder, '..data.new'), join(folder, '..data'));
  await pod.until('the link above it is swapped', () => pod.file.password === 'dos');
});

t.test('a file that says something else at each look is being written', async (t) => {
  const path = join(t.testdir({ secret: 'whole' }), 'secret');
  const { file, looks, until } = watch(path, 'whole');
  for (const part of ['n', 'ne', 'new', 'new p']) {
    writeFileSync(path, part);
    await looks(1);
    t.equal(file.password, 'whole', `not half of it: ${part}`);
  }
  writeFileSync(path, 'new password\n');
  await until('it is whole', () => file.password === 'new password');
});

t.test('what cannot be used leaves what there was, and is told once', async (t) => {
  const path = join(t.testdir({ secret: 'good' }), 'secret');
  const { file, told, looks, until } = watch(path, 'good');
  const complaint = async (what: RegExp): Promise<void> => {
    const before = told.length;
    await until(`it is told: ${what}`, () => told.length > before);
    await looks(4);
    t.equal(told.length, before + 1, 'once');
    t.match(told.at(-1), /^a password file cannot be used: what it said before stays in force /);
    t.match(told.at(-1), what);
    t.equal(file.password, 'good');
  };
  writeFileSync(path, '');
  await complaint(/is empty/);
  writeFileSync(path, 'hunter2\nhunter2\n');
  await complaint(/holds more than one line/);
  rmSync(path);
  await complaint(/there is no such file/);
  mkdirSync(path);
  await complaint(/it is a directory/);
  rmdirSync(path);
  writeFileSync(path, Buffer.of(0xff, 0xfe));
  await complaint(/is not UTF-8/);
  writeFileSync(path, 'good\n');
  await looks(4);
  t.equal(told.length, 5, 'nothing is new');
  t.notMatch(told.join(), /hunter2|good/);

  rmSync(path);
  spawnSync('mkfifo', [path]);
  await looks(4);
  t.equal(told.length, 5, 'nobody waits for a pipe');
  rmSync(path);
  writeFileSync(path, 'better\n');
  await until('it is good again', () => file.password === 'better');
});
