import t from 'tap';
import { forEachServer } from '../../support/servers.js';
import { ADMIN, admin, administered } from './support/administered.js';

/** Whose sessions they are: also where the account came with its clients, and where its name looks like a pool's. */
await forEachServer(
  t,
  async (t, server) => {
    const world = await administered(t, server, ['--auth', 'passthrough']);
    const guest = await server.createUser();
    const odd = `${(await server.createUser()).user}/60080/schema`;
    await server.query(`CREATE USER '${odd}'@'%' IDENTIFIED BY 'secret'`);
    t.teardown(() => server.query(`DROP USER '${odd}'@'%'`));
    const clients = [
      await world.connect(),
      await world.connect({ user: ADMIN.user, password: ADMIN.password }),
      await world.connect({ user: guest.user, password: guest.password }),
      await world.connect({ user: odd, password: 'secret', database: '' }),
    ];
    for (const client of clients) await client.run('BEGIN');
    const console = await admin(world);
    const expected = [world.user.user, guest.user, odd].sort();
    for (const view of ['SHOW POOLS', 'SHOW SERVERS']) {
      const users = new Set((await console.rows(view)).map(({ user }) => String(user)));
      t.strictSame([...users].sort(), expected, view);
    }
    for (const client of clients) await client.end();
  },
  { flavors: ['mariadb'] },
);
