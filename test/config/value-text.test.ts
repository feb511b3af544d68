import t from 'tap';
import { completeConfigWithUrl, loadSettings } from '../../src/config/load.js';
import { camelCase, KEY_NAMES, type KeyName, keyInfo } from '../../src/config/schema.js';
import { valueText } from '../../src/config/value-text.js';

const URL = 'mysql://app:hunter2@127.0.0.1:3306/shop';

function configOf(env: Readonly<Record<string, string>>) {
  const input = { flags: new Map(), configFile: null, env };
  return completeConfigWithUrl(loadSettings(input), URL);
}

/** Their values are shown, and not as they are written. */
const ONLY_SHOWN: readonly KeyName[] = ['upstream', 'users'];

/** Keys whose text is none that could be read: nothing is set. */
const isNothing = (text: string): boolean => text === '';

const OTHERS = {
  MYBOUNCER_UNIX_SOCKET_MODE: '0660',
  MYBOUNCER_RESERVE: '12',
  MYBOUNCER_MAX_HELD: '12.5%',
  MYBOUNCER_ADMIN_USERS: 'operator,deputy',
  MYBOUNCER_LISTEN: '127.0.0.1:1,unix:/tmp/x.sock',
  MYBOUNCER_QUERY_TIMEOUT: '1m30s',
  MYBOUNCER_MAX_PACKET_SIZE: '3MiB',
  MYBOUNCER_HTTP: 'off',
  MYBOUNCER_POOL_SIZE: 'auto',
};

for (const [name, env] of Object.entries({ defaults: {}, others: OTHERS })) {
  t.test(`what is shown of a key is what could be written: ${name}`, (t) => {
    const config = configOf(env);
    for (const key of KEY_NAMES) {
      const text = valueText(key, config);
      if (ONLY_SHOWN.includes(key) || isNothing(text)) continue;
      const { schema, list } = keyInfo(key);
      const written = list === true ? text.split(', ') : text;
      t.same(schema.parse(written), Reflect.get(config, camelCase(key)), `${key}: ${text}`);
    }
    t.end();
  });
}

t.test('passwords are masked', (t) => {
  t.equal(valueText('upstream', configOf({})), 'mysql://app:[secret]@127.0.0.1:3306/shop');
  t.equal(valueText('users', configOf({})), 'app');
  t.end();
});
