// server.js
import cluster from 'node:cluster';
import { createServer } from 'node:http';
import { createPool } from 'mysql2/promise';
import { answer } from './app.js';

if (cluster.isPrimary) {
  for (let i = 0; i < 4; i += 1) cluster.fork();
  cluster.on('exit', () => cluster.fork());
} else {
  // In each worker: it is a process of its own, so that a pool of the primary's would be of no use to it.
  const pool = createPool({ uri: 'mysql://app:secret@127.0.0.1:6033/shop', connectionLimit: 4 });
  createServer(answer(pool)).listen(process.env.PORT ?? 3000);
}
