import t from 'tap';
import { loadSettings } from '../../src/config/load.js';
import { InvalidValue } from '../../src/config/problem.js';
import { parseGroup, parseMode, parseOwner } from '../../src/config/socket-access.js';

function refusal(read: () => number): string {
  try {
    return `no refusal but ${read()}`;
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    return error.message;
  }
}

t.test('modes', async (t) => {
  for (const text of ['0660', '660', '0o660']) t.equal(parseMode(text), 0o660, text);
  t.equal(parseMode('000'), 0);
  for (const text of ['', '6', '0888', '1777', '00660', 'rw-rw----', '-660', ' 660']) {
    t.match(
      refusal(() => parseMode(text)),
      / is not a mode of three octal digits, such as 0660$/,
      text,
    );
  }
});

t.test('a mode in a file is the same with quotes and without', async (t) => {
  for (const yaml of ['0660', "'0660'", '"660"', '660', '0o660']) {
    const configFile = `${t.testdir({ 'my.yaml': `unix_socket_mode: ${yaml}\n` })}/my.yaml`;
    t.equal(loadSettings({ flags: new Map(), env: {}, configFile }).unixSocketMode, 0o660, yaml);
  }
});

t.test('users and groups', async (t) => {
  const path = `${t.testdir({ names: 'root:x:0:0::/root:/bin/sh\nweb app:x:33:1\n\nbroken:x::\n#odd\nwww:x:34:a,b\n' })}/names`;
  for (const read of [parseOwner, parseGroup]) {
    t.equal(read('www', path), 34);
    t.equal(read('web app', path), 33);
    t.equal(read('1000', path), 1000, 'a number needs no name');
    t.equal(read('1000', '/no/such/file'), 1000);
    t.equal(read('4294967294', path), 4_294_967_294);
    t.equal(
      refusal(() => read('4294967295', path)),
      '"4294967295" is more than the largest id, 4294967294',
    );
    t.match(
      refusal(() => read('www', '/no/such/file')),
      /^"www" cannot be looked up, as \/no\/such\/file cannot/,
    );
  }
  const rest = `"ww" in ${path}; one that comes from elsewhere is given by its number`;
  t.equal(
    refusal(() => parseOwner('ww', path)),
    `there is no user ${rest}`,
  );
  t.equal(
    refusal(() => parseGroup('ww', path)),
    `there is no group ${rest}`,
  );
  for (const text of ['broken', '', 'x', '-1'])
    t.match(
      refusal(() => parseOwner(text, path)),
      /^there is no user/,
      text,
    );
});
