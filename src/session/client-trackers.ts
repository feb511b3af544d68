import type { ToldState } from '../protocol/session-state.js';
import { literal } from './profile.js';
import { GTID_TRACKER } from './variables.js';

/** The proxy's own trackers are not a client's: what a client reads and sets of `session_track_…` is kept here. */
export class ClientTrackers {
  /** By name, in the server's own text. */
  readonly values: ReadonlyMap<string, string>;
  readonly told: ToldState;
  /** Gives a session these values, {@link setGtids} apart. */
  readonly setStatement: string;
  /** The same of the tracker of GTIDs, which MySQL takes in no transaction; null where it is not the proxy's own. */
  readonly setGtids: string | null;

  constructor(values: ReadonlyMap<string, string>) {
    this.values = values;
    const transaction = (values.get('session_track_transaction_info') ?? 'OFF').toUpperCase();
    this.told = {
      schema: isOn(values.get('session_track_schema')),
      stateChange: isOn(values.get('session_track_state_change')),
      transactionState: transaction !== 'OFF',
      characteristics: transaction === 'CHARACTERISTICS',
      // Where the tracker is the client's own, the server tells no more than was asked for.
      gtids: (values.get(GTID_TRACKER) ?? '') !== 'OFF',
      variables: new Set(
        (values.get('session_track_system_variables') ?? '')
          .toLowerCase()
          .split(',')
          .map((name) => name.trim()),
      ),
    };
    const list = [...values].flatMap(([name, value]) =>
      name === GTID_TRACKER ? [] : [`SESSION ${name}=${literal(value)}`],
    );
    this.setStatement = `SET ${list.join(', ')}`;
    const gtids = values.get(GTID_TRACKER);
    this.setGtids = gtids === undefined ? null : `SET SESSION ${GTID_TRACKER}=${gtids}`;
  }

  /** With these values in place of the old ones; the same object where none differs. */
  with(values: ReadonlyMap<string, string>): ClientTrackers {
    const changed = [...values].some(([name, value]) => this.values.get(name) !== value);
    return changed ? new ClientTrackers(new Map([...this.values, ...values])) : this;
  }
}

function isOn(value: string | undefined): boolean {
  return value === 'ON' || value === '1';
}
