import type { ReadStream } from 'node:tty';

/** Longest password that caching_sha2_password takes, in bytes. */
const MAX_LENGTH = 256;

/** Why the input is no password; its text is fit for a user and holds nothing of the input. */
export interface NoPassword {
  readonly failure: string;
}

/** The password on standard input: asked for twice, unseen, at a terminal; else all there is, less the end of its line. */
export async function readPassword(
  input: NodeJS.ReadStream,
  prompt: (text: string) => void,
): Promise<Buffer | NoPassword> {
  if (!input.isTTY) return checked(await readAll(input));
  const first = await ask(input, 'Password: ', prompt);
  if (first === null) return { failure: 'interrupted' };
  const again = await ask(input, 'Once more: ', prompt);
  if (again === null) return { failure: 'interrupted' };
  return first === again ? checked(Buffer.from(first)) : { failure: 'the two are not the same' };
}

function checked(bytes: Buffer): Buffer | NoPassword {
  const password = Buffer.from(bytes.toString('latin1').replace(/\r?\n$/, ''), 'latin1');
  if (password.length === 0) return { failure: 'there is no password on the standard input' };
  if (/[\r\n\0]/.test(password.toString('latin1')))
    return { failure: 'the password has more than one line, or a NUL byte' };
  if (password.length > MAX_LENGTH) return { failure: `the password has more than ${MAX_LENGTH} bytes` };
  return password;
}

async function readAll(input: NodeJS.ReadStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size > 2 * MAX_LENGTH) break;
  }
  return Buffer.concat(chunks);
}

const INTERRUPT = '\x03';
const END = '\x04';

/** Null when the user gives up (Ctrl-C). */
function ask(input: ReadStream, question: string, prompt: (text: string) => void): Promise<string | null> {
  return new Promise((resolve) => {
    let typed = '';
    const done = (text: string | null): void => {
      input.off('data', onData);
      input.setRawMode(false);
      input.pause();
      prompt('\n');
      resolve(text);
    };
    const onData = (chunk: Buffer): void => {
      for (const character of chunk.toString('utf8')) {
        if ([INTERRUPT, '\r', '\n', END].includes(character)) {
          done(character === INTERRUPT ? null : typed);
          return;
        }
        typed =
          character === '\x7f' || character === '\b' ? [...typed].slice(0, -1).join('') : typed + character;
      }
    };
    // Before the question is seen: what is typed from now on is not shown.
    input.setRawMode(true);
    input.on('data', onData);
    input.resume();
    prompt(question);
  });
}
