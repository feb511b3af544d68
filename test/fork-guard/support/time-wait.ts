import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';

/** Connections that are made and ended at once. */
const AT_ONCE = 64;

/** Fills the kernel's table: each connection stays in it for a minute after its end (TIME_WAIT). */
export async function endConnections(count: number): Promise<void> {
  const server = createServer((socket) => socket.on('error', () => {}).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  let left = count;
  const some = async (): Promise<void> => {
    while (left-- > 0) {
      const socket = connect(port, '127.0.0.1').resume();
      await once(socket, 'close');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, some));
  server.close();
}

/** How long the tables are that the guard reads, in bytes, and how many rows they have. */
export function tables(): { readonly bytes: number; readonly rows: number } {
  const text = ['tcp', 'tcp6'].map((name) => readFileSync(`/proc/self/net/${name}`, 'latin1')).join('');
  return { bytes: text.length, rows: text.split('\n').length };
}

/** What this process has read so far, by whatever thread, in bytes: proc_pid_io(5). */
export function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'latin1'))?.[1]);
}
