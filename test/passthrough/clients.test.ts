import t from 'tap';
import { startProxy } from '../support/proxy.js';
import { forEachServer } from '../support/servers.js';
import { URL_CLIENTS } from './support/url-clients.js';

/** Real clients, of which the configuration has none: with nothing but host and port changed. */
await forEachServer(t, async (t, server) => {
  const schema = await server.createDatabase();
  const proxy = await startProxy(t, { upstream: server.url(), flags: ['--auth', 'passthrough'] });
  for (const client of URL_CLIENTS) {
    await t.test(client.name, async (t) => {
      const run = await client.prepare(t);
      if (run === null) {
        if (process.env['CI'] === 'true') t.fail(`${client.name} is missing: install ${client.packages}`);
        else t.pass('skipped', { skip: `${client.name} is missing` });
        return;
      }
      // Not seen before: nothing is remembered of it.
      const { user, password } = await server.createUser({ password: 'a "secret" $1' });
      const login = { user, password, port: proxy.port, schema, isMysql: server.isMysql };
      const who =
        "SELECT CONCAT(SUBSTRING_INDEX(USER(), '@', 1), ' ', SUBSTRING_INDEX(CURRENT_USER(), '@', 1))";
      t.equal(await run(login, who), `${user} ${user}`, 'at first');
      t.equal(await run(login, who), `${user} ${user}`, 'again');
      const refused = await run({ ...login, password: 'wrong' }, who);
      t.match(refused, /\b1045\b/);
      t.match(refused, `Access denied for user '${user}'@'127.0.0.1' (using password: YES)`);
    });
  }
});
