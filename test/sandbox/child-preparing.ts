/** Not a test: a process that never gets done with making its server's data directory. */
import { PrivateServer } from '../../src/sandbox/private-server.js';
import { findServerPrograms } from '../../src/sandbox/server-program.js';

const [program] = await findServerPrograms(['mariadb', 'mysql']);
if (program === undefined) throw new Error('no server program on PATH');
setInterval(() => undefined, 60_000);
await PrivateServer.start({
  program,
  prepare: (data) => {
    process.stdout.write(`${data}\n`);
    return new Promise(() => undefined);
  },
});
