import { createHash } from 'node:crypto';

/** Who is fuzzed, and with what. */
export const TARGETS = ['client-login', 'client-commands', 'server-login', 'replies'] as const;
export type Target = (typeof TARGETS)[number];

/** How the side that is fuzzed leaves in the end: in order, at once, or only when the other side closes. */
export type Ending = 'fin' | 'reset' | 'stay';

/** What one side of a connection sends, and when. */
export interface FuzzCase {
  /** Each is one write. The next one goes out when the other side has answered (or says nothing more), or at once. */
  readonly writes: readonly Write[];
  readonly ending: Ending;
}

export interface Write {
  readonly bytes: Buffer;
  readonly waits: boolean;
}

const ENDINGS: readonly Ending[] = ['fin', 'reset', 'stay'];
const COLUMNS = 64;

/** A case as text: comments, writes in hex, and what is between them. */
export function formatCase({ writes, ending }: FuzzCase, comment: string): string {
  const lines = comment.split('\n').map((line) => `# ${line}`);
  for (const { bytes, waits } of writes) {
    const hex = bytes.toString('hex');
    const rows = hex.match(new RegExp(`.{1,${COLUMNS}}`, 'g')) ?? [''];
    lines.push(...rows.map((row, i) => (i === 0 ? `send ${row}` : `     ${row}`)));
    if (waits) lines.push('wait');
  }
  return `${[...lines, ending].join('\n')}\n`;
}

/** @throws SyntaxError */
export function parseCase(text: string): FuzzCase {
  const writes: { bytes: Buffer; waits: boolean }[] = [];
  let ending: Ending | undefined;
  for (const line of text.split('\n')) {
    const last = writes.at(-1);
    if (line === '' || line.startsWith('#')) continue;
    if (line.startsWith('send ')) writes.push({ bytes: Buffer.from(line.slice(5), 'hex'), waits: false });
    else if (line.startsWith('     ') && last !== undefined)
      last.bytes = Buffer.concat([last.bytes, Buffer.from(line.trim(), 'hex')]);
    else if (line === 'wait' && last !== undefined) last.waits = true;
    else {
      ending = ENDINGS.find((one) => one === line);
      if (ending === undefined) throw new SyntaxError(`not a line of a case: ${line}`);
    }
  }
  if (ending === undefined) throw new SyntaxError('a case without an end');
  return { writes, ending };
}

/** A name that the same case always has. */
export function caseName({ writes, ending }: FuzzCase): string {
  const hash = createHash('sha256').update(ending);
  for (const { bytes, waits } of writes) hash.update(bytes).update(waits ? 'w' : 'n');
  return hash.digest('hex').slice(0, 12);
}
