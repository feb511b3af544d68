import { BouncerError } from '../errors.js';
import type { Baseline, ProfileRegistry } from '../session/profile.js';
import {
  callInternal,
  firstError,
  type InternalReply,
  resultsCollation,
  runInternal,
} from './internal-commands.js';
import { readVariables, type ServerFacts } from './server-facts.js';
import type { ServerSession } from './server-session.js';

/** Baselines by checksum that are remembered; globals rarely change. */
const MAX_BASELINES = 1000;

/** Values of a server's variables as its sessions begin with them, each read once: sessions are asked for a checksum of theirs. */
export class ServerBaselines {
  readonly #registry: ProfileRegistry;
  readonly #byChecksum = new Map<string, Baseline>();

  constructor(registry: ProfileRegistry) {
    this.#registry = registry;
  }

  /** Another version of the server has other variables. */
  clear(): void {
    this.#byChecksum.clear();
  }

  /** Of a session that is new, which keeps what else comes in the answer. */
  async read(session: ServerSession, facts: ServerFacts): Promise<Baseline> {
    const [reply] = await callInternal(session, [facts.checksum]);
    session.role = reply?.rows[0]?.[1] ?? null;
    session.server = reply?.rows[0]?.[2] ?? null;
    session.maxPayload = limitIn(reply) ?? session.maxPayload;
    return new Promise((resolve, reject) => {
      this.of(session, facts, reply, (baseline, error) => {
        if (baseline !== null) resolve(baseline);
        else reject(error);
      });
    });
  }

  /** `reply`: to {@link ServerFacts.checksum}. The variables are only read where the checksum is new. */
  of(
    session: ServerSession,
    facts: ServerFacts,
    reply: InternalReply | undefined,
    done: (baseline: Baseline | null, error: BouncerError | null) => void,
  ): void {
    // No variable shows the collation of results.
    const shownIn = reply === undefined ? 0 : resultsCollation(reply);
    const checksum = `${reply?.rows[0]?.[0] ?? ''} ${shownIn}`;
    const known = this.#byChecksum.get(checksum);
    if (known !== undefined) {
      done(known, null);
      return;
    }
    runInternal(session, [readVariables(session.info)], (replies, lost) => {
      const failure = lost ?? firstError(replies);
      if (failure !== null) {
        done(null, failure);
        return;
      }
      const baseline = this.#registry.baseline(
        facts.carriedOf(replies[0] ?? { rows: [], packets: Buffer.alloc(0) }),
      );
      if (this.#byChecksum.size >= MAX_BASELINES) this.#byChecksum.clear();
      this.#byChecksum.set(checksum, baseline);
      done(baseline, null);
    });
  }
}

/** Why a session cannot be used any more, by its answer to {@link ServerFacts.checksum} after a reset; null when it can. */
export function changedForGood(
  session: ServerSession,
  reply: InternalReply | undefined,
): BouncerError | null {
  return strayRole(session, reply) ?? otherLimit(session, reply);
}

/** A role that something on the session has set, unseen. */
class StrayRoleError extends BouncerError {
  readonly code = 'STRAY_ROLE';
}

/** A role survives the reset, so that a session which has another than at first is closed. */
function strayRole(session: ServerSession, reply: InternalReply | undefined): StrayRoleError | null {
  const role = reply?.rows[0]?.[1] ?? null;
  return role === session.role ? null : new StrayRoleError(`the session kept the role ${role}`);
}

/** The server's max_allowed_packet is not what it was when the session was opened. */
class OtherPacketLimitError extends BouncerError {
  readonly code = 'OTHER_PACKET_LIMIT';
}

/** After a reset the variable says what holds for new sessions: one that would go by the old limit is closed. */
function otherLimit(session: ServerSession, reply: InternalReply | undefined): OtherPacketLimitError | null {
  const limit = limitIn(reply);
  if (limit === null || limit === session.maxPayload) return null;
  return new OtherPacketLimitError(`max_allowed_packet is ${limit}, the session's own ${session.maxPayload}`);
}

function limitIn(reply: InternalReply | undefined): number | null {
  const value = reply?.rows[0]?.[3] ?? null;
  return value === null ? null : Number(value);
}
