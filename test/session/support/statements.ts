import { Status } from '../../../src/protocol/constants.js';
import type { OkPacket } from '../../../src/protocol/generic-response.js';
import type { SessionStateReport } from '../../../src/protocol/session-state.js';
import { effectsOf } from '../../../src/session/effects-of.js';
import { holdWords } from '../../../src/session/hold-reason.js';
import { ProfileRegistry } from '../../../src/session/profile.js';
import type { SessionLedger } from '../../../src/session/session-ledger.js';
import { NO_EFFECTS, type StatementEffects } from '../../../src/session/statement-effects.js';
import { traitsOf } from '../../sql/describe.js';

const registry = new ProfileRegistry();
const BASELINE = registry.baseline(
  new Map([
    ['autocommit', 'ON'],
    ['time_zone', 'SYSTEM'],
    ['sql_mode', ''],
    ['default_storage_engine', 'InnoDB'],
    ['long_query_time', '10.000000'],
    ['character_set_client', 'utf8mb4'],
    ['collation_connection', 'utf8mb4_general_ci'],
    ['max_join_size', '1'],
    ['sql_big_selects', 'ON'],
  ]),
);
export const HOME = registry.initial(BASELINE, 'app', false);
const NOTHING: SessionStateReport = {
  variables: [],
  schema: null,
  stateChanged: false,
  characteristics: null,
  transactionState: null,
  gtids: null,
};

export interface OkOptions extends Partial<SessionStateReport> {
  readonly status?: number;
  readonly warnings?: number;
  readonly lastInsertId?: bigint;
}

/** An OK packet; with anything of a report in it, one that has trackers' data. */
export function ok(options: OkOptions = {}): OkPacket {
  const { status = Status.Autocommit, warnings = 0, lastInsertId = 0n, ...report } = options;
  const session = Object.keys(report).length === 0 ? null : { ...NOTHING, ...report };
  const flags = session === null ? status : status | Status.SessionStateChanged;
  return {
    affectedRows: 0n,
    lastInsertId,
    status: flags,
    warnings,
    info: Buffer.alloc(0),
    session,
    stateStart: 0,
    stateEnd: 0,
  };
}

export function effects(some: Partial<StatementEffects> = {}): StatementEffects {
  return { ...NO_EFFECTS, ...some };
}

/** One statement that succeeds. */
export function run(ledger: SessionLedger, what: Partial<StatementEffects>, ...replies: OkOptions[]): void {
  const given = effects(what);
  ledger.begin(given);
  for (const reply of replies.length === 0 ? [{}] : replies) ledger.ok(ok(reply), given);
}

export function words(ledger: SessionLedger): string[] {
  return holdWords(ledger.holds);
}

export function textEffects(sql: string): StatementEffects {
  return effectsOf(traitsOf(sql));
}

/** A text that succeeds, with one OK for each reply. */
export function runText(ledger: SessionLedger, sql: string, ...replies: OkOptions[]): void {
  const given = textEffects(sql);
  ledger.begin(given);
  const list = replies.length === 0 ? [{}] : replies;
  for (const [i, reply] of list.entries()) {
    const more = i < list.length - 1 ? Status.MoreResultsExist : 0;
    ledger.ok(ok({ ...reply, status: (reply.status ?? Status.Autocommit) | more }), given);
  }
}

/** A text of which the first statements succeed, and then one fails. */
export function failText(ledger: SessionLedger, errno: number, sql: string, ...replies: OkOptions[]): void {
  const given = textEffects(sql);
  ledger.begin(given);
  for (const reply of replies)
    ledger.ok(ok({ ...reply, status: Status.Autocommit | Status.MoreResultsExist }), given);
  ledger.err(errno, given);
}
