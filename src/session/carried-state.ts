import type { SessionProfile } from './profile.js';
import { carriedUserVariable, needsEnvironment, PARSE_VARIABLES } from './user-variables.js';
import { canonicalName, RESULTS_COLLATION } from './variables.js';

/** Of the many clients that have nothing to be read: it stays empty. */
const NOTHING = new Set<string>();

/**
 * State of one client that goes with it from session to session: its profile, and the variables whose values are still to be asked
 * for before that is true again.
 */
export class CarriedState {
  profile: SessionProfile;
  /** As it was when the statement under way was prepared; null for one that was not. */
  parsedIn: SessionProfile | null = null;
  /** As the statement under way found it. */
  #before: SessionProfile;
  /** The profile that agrees with this flag, as far as it was looked at: the next OK mostly says the same. */
  #autocommitIn: SessionProfile | null = null;
  #autocommit = 0;
  #readBack = NOTHING;

  constructor(profile: SessionProfile) {
    this.profile = profile;
    this.#before = profile;
  }

  /** A statement is about to run. */
  begin(parsedIn: SessionProfile | null): void {
    this.parsedIn = parsedIn;
    this.#before = this.profile;
  }

  /** One of its parts has run, as far as the next is concerned. */
  stepped(): void {
    this.#before = this.profile;
  }

  /** The schema of names without one in what runs: a prepared statement keeps that of its time. */
  get schemaOfNames(): string | null {
    return (this.parsedIn ?? this.profile).schema;
  }

  /** Variables whose final value must be asked for before the session is given back. */
  get readBack(): ReadonlySet<string> {
    return this.#readBack;
  }

  doubt(name: string): void {
    if (this.#readBack === NOTHING) this.#readBack = new Set();
    this.#readBack.add(name);
  }

  /** A variable's value has come. @returns whether it was asked for */
  wasReadBack(name: string): boolean {
    return this.#readBack.delete(name);
  }

  /** The server has answered all that it was asked. @returns whether something of the profile was not answered */
  allAnswered(): boolean {
    const { variables } = this.profile.baseline;
    let isUntold = false;
    for (const name of this.#readBack) if (variables.has(name)) isUntold = true;
    this.#readBack.clear();
    return isUntold;
  }

  /** What was to be asked for is known, or is nobody's concern any more. */
  askNothing(): void {
    this.#readBack.clear();
  }

  /** As {@link askNothing}: it cannot be asked any more, since the session has gone. */
  lose(): void {
    if (this.#readBack.has('collation_connection')) this.#takeDefaultOfResults();
    this.askNothing();
  }

  /** A character set of results came with a collation that was not read; with that of the set before, no session would take it (1253). */
  #takeDefaultOfResults(): void {
    const { profile } = this;
    const charset = profile.variable('character_set_results');
    const collation = profile.variable(RESULTS_COLLATION);
    if (!charset || !collation || collation === charset || collation.startsWith(`${charset}_`)) return;
    this.profile = profile.withVariable(RESULTS_COLLATION, '');
  }

  /** How texts are read has changed in a way that is still to be asked for. */
  get parsesUnknown(): boolean {
    return PARSE_VARIABLES.some((parsed) => this.#readBack.has(parsed));
  }

  setVariable(name: string, value: string): void {
    const { profile } = this;
    this.profile = profile.withVariable(canonicalName(name, profile.baseline.variables), value);
  }

  /** `flag`: the bit of an OK's status. MariaDB does not report `SET @@autocommit=0`, but its effect always shows there. */
  setAutocommit(flag: number): void {
    if (this.profile === this.#autocommitIn && flag === this.#autocommit) return;
    this.profile = this.profile.withVariable('autocommit', flag !== 0 ? 'ON' : 'OFF');
    this.#autocommitIn = this.profile;
    this.#autocommit = flag;
  }

  /** A user variable was set to a literal. @returns whether it can be set to that elsewhere */
  carry(name: string, literal: string): boolean {
    const { profile } = this;
    if (this.parsedIn === null && needsEnvironment(literal) && this.parsesUnknown) return false;
    const parsedIn = this.parsedIn ?? this.#before;
    const environment = PARSE_VARIABLES.map((parsed) => parsedIn.variable(parsed) ?? '');
    const variable = carriedUserVariable(profile.userVariables, name, literal, environment);
    if (variable === null) return false;
    this.profile = profile.withUserVariable(name, variable);
    return true;
  }

  drop(name: string): void {
    this.profile = this.profile.withUserVariable(name, null);
  }

  /** Any of them may have another value now. */
  dropAll(): void {
    for (const name of this.profile.userVariables.keys()) this.drop(name);
  }
}
