import { Anomalies, type Anomaly, type BankOperation, Outcome, type Transfer } from '../history.js';

export interface BankRules {
  /** Of all accounts together. */
  readonly total: number;
  /** Of each account at first. */
  readonly opening: readonly number[];
  /** What was acknowledged is there in the end. */
  readonly keepsAcknowledged: boolean;
}

/** Money neither comes nor goes, for anybody, at any time; and what is in the books is what was done. */
export function checkBank(operations: readonly BankOperation[], rules: BankRules): readonly Anomaly[] {
  const anomalies = new Anomalies();
  for (const { outcome, body, process } of operations) {
    if (body.do === 'transfer' || outcome !== Outcome.Ok) continue;
    const sum = body.balances.reduce((all, one) => all + one, 0);
    if (sum !== rules.total || body.balances.length !== rules.opening.length)
      anomalies.add(
        'wrong total',
        `process ${process} read [${body.balances}], ${sum} in all, of ${rules.total}`,
      );
    if (body.balances.some((balance) => balance < 0))
      anomalies.add('negative balance', `process ${process} read [${body.balances}]`);
    if (body.do === 'final') checkBooks(body, rules, anomalies);
    if (body.do === 'final') checkTransfers(operations, body.transfers, rules, anomalies);
  }
  return anomalies.list;
}

/** Each balance is what the transfers in the books make of it: they are done wholly or not at all. */
function checkBooks(
  { balances, transfers }: { readonly balances: readonly number[]; readonly transfers: readonly Transfer[] },
  { opening }: BankRules,
  anomalies: Anomalies,
): void {
  const booked = [...opening];
  for (const { from, to, amount } of transfers) {
    booked[from] = (booked[from] ?? 0) - amount;
    booked[to] = (booked[to] ?? 0) + amount;
  }
  if (booked.some((balance, i) => balance !== balances[i]))
    anomalies.add('torn transfer', `by the books it should be [${booked}], and it is [${balances}]`);
}

function checkTransfers(
  operations: readonly BankOperation[],
  transfers: readonly Transfer[],
  { keepsAcknowledged }: BankRules,
  anomalies: Anomalies,
): void {
  const times = new Map<string, number>();
  for (const { id } of transfers) times.set(id, (times.get(id) ?? 0) + 1);
  for (const { outcome, body, error, mayBeLost } of operations) {
    if (body.do !== 'transfer') continue;
    const count = times.get(body.id) ?? 0;
    times.delete(body.id);
    const what = `transfer ${body.id} (${outcome}${error === undefined ? '' : `, ${error}`}) is in the books ${count} times`;
    if (count > 1) anomalies.add('run twice', what);
    if (outcome === Outcome.Fail && count > 0) anomalies.add('failed and done', what);
    const mustBeThere = keepsAcknowledged && mayBeLost !== true;
    if (outcome === Outcome.Ok && count === 0 && mustBeThere) anomalies.add('lost transfer', what);
  }
  for (const [id] of times) anomalies.add('garbage', `nobody has made transfer ${id}`);
}
