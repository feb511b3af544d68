import t from 'tap';
import { globalPrivileges, parseGrant, triggersUnseen } from '../../src/doctor/grants.js';

const parsed = (...lines: readonly string[]) => lines.map(parseGrant).filter((grant) => grant !== null);

t.test('lines of SHOW GRANTS', async (t) => {
  t.strictSame(parseGrant("GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '*1'"), {
    privileges: new Set(['USAGE']),
    on: '*.*',
  });
  t.strictSame(
    parseGrant('GRANT SELECT, SHOW VIEW, UPDATE (`a`, `b)`) ON `sh``op TO `.`or ON der` TO `app`@`%`'),
    { privileges: new Set(['SELECT', 'SHOW VIEW', 'UPDATE']), on: '`sh``op TO `.`or ON der`' },
  );
  for (const other of [
    'GRANT EXECUTE ON PROCEDURE `shop`.`pay` TO `app`@`%`',
    'GRANT `role`@`%` TO `app`@`%`',
    "GRANT PROXY ON ''@'' TO 'root'@'localhost' WITH GRANT OPTION",
    'SET DEFAULT ROLE `role` FOR `app`@`%`',
  ])
    t.equal(parseGrant(other), null, other);
});

t.test('rights on everything', async (t) => {
  const names = ['CONNECTION_ADMIN', 'SUPER'];
  t.strictSame(globalPrivileges(parsed('GRANT SUPER ON *.* TO a', 'GRANT PROCESS ON *.* TO a'), names), [
    'SUPER',
  ]);
  t.strictSame(globalPrivileges(parsed('GRANT ALL PRIVILEGES ON *.* TO a'), names), names);
  t.strictSame(globalPrivileges(parsed('GRANT ALL PRIVILEGES ON `s`.* TO a'), names), []);
});

t.test('where triggers run that are not seen', async (t) => {
  const unseen = (...lines: readonly string[]) => triggersUnseen(parsed(...lines));
  t.strictSame(unseen('GRANT SELECT, EXECUTE ON `s`.* TO a'), [], 'nothing is changed');
  t.strictSame(unseen('GRANT INSERT ON `s`.* TO a'), ['`s`.*']);
  t.strictSame(unseen('GRANT DELETE ON `s`.`x` TO a', 'GRANT UPDATE ON `r`.* TO a'), ['`s`.`x`', '`r`.*']);
  t.strictSame(unseen('GRANT INSERT ON `s`.* TO a', 'GRANT TRIGGER ON *.* TO a'), []);
  t.strictSame(unseen('GRANT INSERT ON `s`.`x` TO a', 'GRANT TRIGGER ON `s`.* TO a'), []);
  t.strictSame(unseen('GRANT INSERT ON `s`.* TO a', 'GRANT TRIGGER ON `s`.`x` TO a'), ['`s`.*']);
  t.strictSame(unseen('GRANT ALL PRIVILEGES ON `s`.* TO a'), []);
  t.strictSame(unseen('GRANT INSERT ON *.* TO a', 'GRANT TRIGGER ON `s`.* TO a'), ['*.*']);
});
