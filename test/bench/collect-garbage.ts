/**
 * Loaded into a proxy before its own program (`node --import`), where the bench wants to know what of its memory is garbage: a
 * signal makes it collect all of that and give the memory back to the system. It does nothing otherwise.
 */
import { Session } from 'node:inspector';

let session: Session | undefined;

process.on('SIGPWR', () => {
  if (session === undefined) {
    session = new Session();
    session.connect();
  }
  // Unlike `gc()` of --expose-gc this gives memory back: what is resident afterwards is what is in use.
  session.post('HeapProfiler.collectGarbage');
});
