import { Anomalies, type Anomaly, Outcome, type TagOperation } from '../history.js';

/** Nobody gets the answer to what somebody else has asked, nor to what the same one has asked before. */
export function checkTags(operations: readonly TagOperation[]): readonly Anomaly[] {
  const anomalies = new Anomalies();
  for (const { outcome, asked, got, process } of operations) {
    if (outcome !== Outcome.Ok) continue;
    for (const tag of got)
      if (tag !== asked) anomalies.add('crossed', `process ${process} asked for ${asked} and got ${tag}`);
  }
  return anomalies.list;
}
