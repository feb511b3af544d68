import * as z from 'zod';
import { InvalidValue, quoteValue } from './problem.js';
import { suggest } from './suggest.js';
import { text } from './value-schemas.js';

/** Kinds of holds that a statement can begin and that do not end by themselves; the words are those of logs and metrics. */
export const UNSAFE_KINDS = [
  'temporary_table',
  'user_lock',
  'table_lock',
  'user_variable',
  'text_prepare',
  'handler',
  'xa',
  'role',
  'sequence',
  'resource_group',
  'one_shot_variable',
  'session_tracking',
  'unknown',
] as const;
export type UnsafeKind = (typeof UNSAFE_KINDS)[number];

const UNSAFE_ACTIONS = ['hold', 'warn', 'error'] as const;
export type UnsafeAction = (typeof UNSAFE_ACTIONS)[number];

/** What is done with a statement that begins such a hold. */
export type OnUnsafe = Readonly<Record<UnsafeKind, UnsafeAction>>;

const isKind = (word: string): word is UnsafeKind => UNSAFE_KINDS.some((kind) => kind === word);
const isAction = (word: unknown): word is UnsafeAction => UNSAFE_ACTIONS.some((action) => action === word);

function all(action: UnsafeAction): Record<UnsafeKind, UnsafeAction> {
  return Object.fromEntries(UNSAFE_KINDS.map((kind) => [kind, action])) as Record<UnsafeKind, UnsafeAction>;
}

function unknownKind(word: string): string {
  const near = suggest(word, UNSAFE_KINDS);
  const hint = near === null ? `; kinds are ${UNSAFE_KINDS.join(', ')}` : ` (did you mean ${near}?)`;
  return `is not a kind of hold${hint}`;
}

function unknownAction(word: unknown): string {
  if (typeof word !== 'string') return `must be one of ${UNSAFE_ACTIONS.join(', ')}`;
  const near = suggest(word, UNSAFE_ACTIONS);
  const hint = near === null ? '' : ` (did you mean ${near}?)`;
  return `${quoteValue(word)} is not one of ${UNSAFE_ACTIONS.join(', ')}${hint}`;
}

/** `user_lock=error,temporary_table=warn` @throws InvalidValue */
function pairsOf(value: string): Map<string, string> {
  const pairs = new Map<string, string>();
  for (const part of value.split(',')) {
    const pair = part.trim();
    const equals = pair.indexOf('=');
    if (equals < 0) {
      const near = suggest(pair, UNSAFE_ACTIONS);
      const hint = near === null ? '' : `, or did you mean ${near}?`;
      throw new InvalidValue(
        `${quoteValue(pair)} is neither one of ${UNSAFE_ACTIONS.join(', ')} nor of the form KIND=ACTION${hint}`,
      );
    }
    const kind = pair.slice(0, equals).trim();
    if (!isKind(kind)) throw new InvalidValue(`${quoteValue(kind)} ${unknownKind(kind)}`);
    if (pairs.has(kind)) throw new InvalidValue(`names ${kind} twice`);
    pairs.set(kind, pair.slice(equals + 1).trim());
  }
  return pairs;
}

/** One word for all kinds, or an action for each of some kinds: as a map, or as text. Those not named hold. */
export function onUnsafe() {
  const word = text().meta({ pattern: '^(hold|warn|error|[a-z_]+ *=.*)$' });
  const properties = Object.fromEntries(UNSAFE_KINDS.map((kind) => [kind, { enum: [...UNSAFE_ACTIONS] }]));
  const map = z.record(z.string(), z.unknown()).meta({ properties, additionalProperties: false });
  const input = z.union([word, map], {
    error: (issue) =>
      issue.input === null
        ? 'has no value'
        : `must be one of ${UNSAFE_ACTIONS.join(', ')}, or a map of kinds such as {user_lock: error}`,
  });
  return input.transform((value, context): OnUnsafe => {
    const actions = all('hold');
    if (isAction(value)) return all(value);
    let entries: Iterable<[string, unknown]>;
    try {
      entries = typeof value === 'string' ? pairsOf(value) : Object.entries(value);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
    for (const [kind, action] of entries) {
      if (!isKind(kind)) context.addIssue({ code: 'custom', message: unknownKind(kind), path: [kind] });
      else if (isAction(action)) actions[kind] = action;
      else context.addIssue({ code: 'custom', message: unknownAction(action), path: [kind] });
    }
    return actions;
  });
}
