/** What differs between the two sides of a client: everything else that they do and see must be equal. */
export interface Names {
  /** In the names of all that the side has on the server; of one length on both sides. */
  readonly tag: string;
  readonly role: string;
}

export const Side = { Direct: 'd', Proxied: 'p' } as const;
export type Side = (typeof Side)[keyof typeof Side];

/** What stands in place of a side's letter in results. */
const EITHER = 'e';

export function tagOf(run: string, client: number, side: Side): string {
  return `zq${run}c${client}${side}`;
}

export function schemaOf(tag: string): string {
  return `app_${tag}`;
}

export function otherSchemaOf(tag: string): string {
  return `app_${tag}x`;
}

/** A schema that all clients of a run may read, on both sides. */
export function sharedSchemaOf(tag: string): string {
  return `app_${tag.slice(0, tag.lastIndexOf('c'))}s`;
}

/** A text of the plan as one side says it. */
export function spell(text: string, { tag, role }: Names, id: number): string {
  return text
    .replaceAll('{db}', schemaOf(tag))
    .replaceAll('{alt}', otherSchemaOf(tag))
    .replaceAll('{shared}', sharedSchemaOf(tag))
    .replaceAll('{tag}', tag)
    .replaceAll('{role}', role)
    .replaceAll('{id}', String(id));
}

/** A result as either side says it. */
export function unspell(text: string, tag: string): string {
  return text.replaceAll(tag, tag.slice(0, -1) + EITHER);
}
