/** Marks of whose data something is. All have the same length, so that recorded packets fit all of them. */
const TAG = /(CANARY|FUZZED)-\d{8}/g;

export type Owner = 'CANARY' | 'FUZZED';

export function tagOf(owner: Owner, number: number): string {
  return `${owner}-${String(number % 100_000_000).padStart(8, '0')}`;
}

/** A text as every client would have said it. */
export function sameForAll(text: string): string {
  return text.replaceAll(TAG, '$1-00000000');
}

/** What was recorded for all, with the marks of this request. */
export function withTagsOf(request: string, reply: Buffer): Buffer {
  const tags = new Map([...request.matchAll(TAG)].map(([tag, owner]) => [owner, tag]));
  if (tags.size === 0) return reply;
  const text = reply.toString('latin1').replaceAll(TAG, (tag, owner: string) => tags.get(owner) ?? tag);
  return Buffer.from(text, 'latin1');
}
