import type { Test } from 'tap';
import { freePort, Service } from './service.js';

/** A Redis that keeps nothing on disk. @param program path of redis-server */
export async function startRedis(t: Test, program: string): Promise<Service> {
  const port = await freePort();
  return Service.start(t, {
    name: 'Redis',
    words: [program, '--bind', '127.0.0.1', '--port', String(port), '--save', '', '--appendonly', 'no'],
    port,
  });
}
