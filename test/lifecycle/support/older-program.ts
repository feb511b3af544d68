/**
 * Not a test: the program, of which a file says whether a worker is started by a parent, or tells its plan to one, as an older
 * program did: without a number of what they say to each other.
 */
import { readFileSync } from 'node:fs';

const isOlder = (who: string): boolean =>
  readFileSync(process.env['TEST_OLDER_FILE'] ?? '', 'utf8').trim() === who;

interface Numbered {
  protocol?: number;
  readonly plan?: { protocol?: number };
}

const { emit, send } = process;
process.emit = ((name: string, ...values: unknown[]) => {
  if (name === 'message' && isOlder('parent')) delete (values[0] as Numbered).protocol;
  return Reflect.apply(emit, process, [name, ...values]);
}) as typeof process.emit;
if (send !== undefined)
  process.send = ((message: Numbered, ...rest: unknown[]) => {
    if (message.plan !== undefined && isOlder('plan')) delete message.plan.protocol;
    return Reflect.apply(send, process, [message, ...rest]);
  }) as typeof send;
await import('../../../src/main.js');
