import t from 'tap';
import { formatProblem } from '../../src/config/problem.js';
import { labelOf, readYaml } from '../../src/config/yaml-file.js';

const NAME = 'my.yaml';

t.test('every scalar is the text that stands there', async (t) => {
  const text = [
    'number: 0123',
    'hex: 0x2441',
    'yes: yes',
    'off: off',
    'nothing: ~',
    'null: null',
    'empty:',
    'quoted: ""',
    "single: 'a''b: #c'",
    'list: [1, "2", ]',
    'block: |-',
    '  two',
    '  lines',
    'url: mysql://a:b#c@d/e?f=g',
    'first: &anchor shared',
    'second: *anchor',
  ].join('\n');
  const { file, problems } = readYaml(text, NAME);
  t.same(problems, []);
  t.same(Object.fromEntries(file.values), {
    number: '0123',
    hex: '0x2441',
    yes: 'yes',
    off: 'off',
    nothing: '~',
    null: 'null',
    empty: null,
    quoted: '',
    single: "a'b: #c",
    list: ['1', '2'],
    block: 'two\nlines',
    url: 'mysql://a:b#c@d/e?f=g',
    first: 'shared',
    second: 'shared',
  });
});

t.test('places', async (t) => {
  const { file } = readYaml('a: 1\nusers:\n  - name: x\n    hash:   y\n  - z\n', NAME);
  t.equal(file.locate(['a']), 'my.yaml:1:4');
  t.equal(file.locateKey(['a']), 'my.yaml:1:1');
  t.equal(file.locate(['users', 0, 'hash']), 'my.yaml:4:13');
  t.equal(file.locateKey(['users', 0, 'hash']), 'my.yaml:4:5');
  t.equal(file.locate(['users', 0, 'missing']), 'my.yaml:3:5', 'the nearest thing around it');
  t.equal(file.locate(['users', 1]), 'my.yaml:5:5');
  t.equal(file.locate(['elsewhere']), NAME);
  t.equal(labelOf(['users', 0, 'hash']), 'users[0].hash');
});

t.test('files with nothing in them', async (t) => {
  for (const text of ['', '\n\n', '# nothing\n', '---\n', '{}', '\ufeff']) {
    const { file, problems } = readYaml(text, NAME);
    t.same(problems, [], JSON.stringify(text));
    t.equal(file.values.size, 0);
  }
});

t.test('mistakes, told without what stands there', async (t) => {
  const bad: readonly (readonly [string, RegExp])[] = [
    ['hunter2', /^my\.yaml:1:1: is not a list of "key: value" lines$/],
    ['- hunter2', /^my\.yaml:1:1: is not a list/],
    ['a: 1\na: hunter2\n', /^my\.yaml:2:1: a: is set twice, first at my\.yaml:1:1$/],
    ['users:\n  - name: a\n    name: hunter2\n', /^my\.yaml:3:5: users\[0\]\.name: is set twice/],
    ['a: *hunter2\n', /^my\.yaml:1:4: .*in quotes/],
    ['a: !hunter2 x\n', /^my\.yaml:1:4: .*in quotes/],
    ['a: @hunter2\n', /^my\.yaml:1:4: .*in quotes/],
    ['a: %hunter2\n', /^my\.yaml:1:4: .*in quotes/],
    ['a: "hunter2\n', /^my\.yaml:\d:\d+: lacks a closing quote/],
    ['a: "\\hunter2"\n', /^my\.yaml:1:\d+: has an unknown \\ escape/],
    ['a: [hunter2\n', /a bracket above it is not closed/],
    ['listen: [::1]:6033\n', /^my\.yaml:1:14: cannot be read as YAML here/],
    ['a: hunter2: b\n', /^my\.yaml:1:\d+: has a colon/],
    ['a:\n\tb: hunter2\n', /^my\.yaml:2:1: .*tab/],
    ['a:\n    b: 1\n  c: hunter2\n', /^my\.yaml:3:1: /],
    ['a: 1\n---\nb: hunter2\n', /^my\.yaml:2:1: has a second document/],
    ['? [hunter2]\n: 1\n', /before the colon/],
    ['"hunter2 hunter2": 1\n', /before the colon/],
    ['"": hunter2\n', /before the colon/],
    ['a: &x [*x]\nhunter2 3\n', /^my\.yaml:2:1: /],
  ];
  for (const [text, expected] of bad) {
    const lines = readYaml(text, NAME).problems.map(formatProblem);
    t.match(lines[0], expected, JSON.stringify(text));
    t.notMatch(lines.join('\n'), /hunter2/, `${JSON.stringify(text)}: nothing of it is shown`);
  }
});

t.test('an anchor that contains itself ends', async (t) => {
  const { file, problems } = readYaml('a: &x\n  - *x\nb: &y {c: *y}\n', NAME);
  t.same(problems, []);
  t.ok(file.values.has('a') && file.values.has('b'));
});
