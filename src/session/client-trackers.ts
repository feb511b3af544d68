import type { ToldState } from '../protocol/session-state.js';
import { literal } from './profile.js';

/** The proxy's own trackers are not a client's: what a client reads and sets of `session_track_…` is kept here. */
export class ClientTrackers {
  /** By name, in the server's own text. */
  readonly values: ReadonlyMap<string, string>;
  readonly told: ToldState;
  /** Gives a session these values. */
  readonly setStatement: string;

  constructor(values: ReadonlyMap<string, string>) {
    this.values = values;
    const transaction = (values.get('session_track_transaction_info') ?? 'OFF').toUpperCase();
    this.told = {
      schema: isOn(values.get('session_track_schema')),
      stateChange: isOn(values.get('session_track_state_change')),
      transactionState: transaction !== 'OFF',
      characteristics: transaction === 'CHARACTERISTICS',
      variables: new Set(
        (values.get('session_track_system_variables') ?? '')
          .toLowerCase()
          .split(',')
          .map((name) => name.trim()),
      ),
    };
    const list = [...values].map(([name, value]) => `SESSION ${name}=${literal(value)}`);
    this.setStatement = `SET ${list.join(', ')}`;
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
