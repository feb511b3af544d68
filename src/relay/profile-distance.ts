import { type ProfileDifference, SessionProfile } from '../session/profile.js';

/** By the difference, which the profile it starts from remembers. */
const sizes = new WeakMap<ProfileDifference, number>();

/** A reset takes several round trips, and the statements prepared on the session with it. */
const RESET = 100;

/**
 * How much has to be set to turn a session of profile `from` into one of `to`: variables, plus one each for the schema
 * and the multi-statement option, plus {@link RESET} where it must be reset before. 0 where either is no profile: a client
 * that has none yet takes that of its session.
 */
export function profileDistance(from: unknown, to: unknown): number {
  if (from === to || !(from instanceof SessionProfile) || !(to instanceof SessionProfile)) return 0;
  const difference = from.differenceTo(to);
  let size = sizes.get(difference);
  if (size === undefined) {
    size = sizeOf(difference, from, to);
    sizes.set(difference, size);
  }
  return size;
}

function sizeOf(difference: ProfileDifference, from: SessionProfile, to: SessionProfile): number {
  const names = new Set([...from.overrides.keys(), ...to.overrides.keys()]);
  // Sessions that were opened under other globals.
  if (from.baseline !== to.baseline) for (const name of to.baseline.variables.keys()) names.add(name);
  let size = 0;
  for (const name of names) if (from.variable(name) !== to.variable(name)) size++;
  if (difference.schema !== null) size++;
  if (difference.multiStatements !== null) size++;
  size += difference.userVariables?.size ?? 0;
  if (difference.needsReset) size += RESET;
  return size;
}
