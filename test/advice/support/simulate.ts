import type { Row } from './windows.js';

/** By client: pauses before, and times of, its loans, in whole ms. */
export type Clients = readonly (readonly { readonly pause: number; readonly service: number }[])[];

/** Runs the script over so many sessions, moment by moment: first come, first served. A wholly other way than the one that is tested. */
export function simulate(script: Clients, sessions: number): Row[] {
  const rows: Row[] = [];
  const states = script.map((loans, client) => ({
    client,
    loans,
    at: 0,
    asks: loans[0]?.pause ?? 0,
    asked: -1,
  }));
  const line: (typeof states)[number][] = [];
  const busy: { state: (typeof states)[number]; asked: number; lent: number; ends: number }[] = [];
  let now = 0;
  while (rows.length < script.flat().length) {
    for (const one of busy.filter(({ ends }) => ends === now)) {
      busy.splice(busy.indexOf(one), 1);
      rows.push([one.state.client + 1, one.asked, one.lent, now]);
      one.state.at++;
      one.state.asks = now + (one.state.loans[one.state.at]?.pause ?? Number.POSITIVE_INFINITY);
    }
    for (const state of states) {
      if (state.asks !== now) continue;
      state.asked = now;
      line.push(state);
    }
    while (busy.length < sessions && line.length > 0) {
      const state = line.shift();
      if (state === undefined) break;
      const service = state.loans[state.at]?.service ?? 0;
      busy.push({ state, asked: state.asked, lent: now, ends: now + service });
    }
    const times = [...busy.map(({ ends }) => ends), ...states.map(({ asks }) => asks)];
    now = Math.min(...times.filter((time) => time > now));
  }
  return rows;
}
