import t from 'tap';
import { pluginOf } from '../../src/doctor/server-settings.js';

t.test('the plugin of an account, from the statement that makes it', async (t) => {
  const mysql = (text: string): string | null => pluginOf(text, { flavor: 'mysql' });
  const mariadb = (text: string): string | null => pluginOf(text, { flavor: 'mariadb' });
  const hash = "'*2470C0C06DEE42FD1618BB99005ADCA2EC9D1E19'";
  t.equal(
    mysql("CREATE USER `a`@`%` IDENTIFIED WITH 'caching_sha2_password' AS '$A$005$x' REQUIRE NONE"),
    'caching_sha2_password',
  );
  t.equal(
    mysql(`CREATE USER \`a\`@\`%\` IDENTIFIED WITH 'mysql_native_password' AS ${hash}`),
    'mysql_native_password',
  );
  t.equal(mariadb(`CREATE USER \`a\`@\`%\` IDENTIFIED BY PASSWORD ${hash}`), 'mysql_native_password');
  t.equal(mariadb(`CREATE USER \`a\`@\`%\` IDENTIFIED VIA ed25519 USING 'x' OR unix_socket`), 'ed25519');
  t.equal(mariadb('CREATE USER `a`@`%`'), null);
});
