import { type Loan, LoanLog, type LoanWindow, type WaitingLoan } from '../../../src/pool/loan-log.js';
import { FakeClock } from '../../pool/support.js';
import type { Row } from './windows.js';

interface Event {
  readonly at: number;
  readonly happens: () => void;
}

/** What the pool's own log records of these loans. */
export function recorded(rows: readonly Row[]): readonly LoanWindow[] {
  const clock = new FakeClock();
  const lent = new Set<Loan>();
  const waiting: WaitingLoan[] = [];
  const log = new LoanLog({ clock, inFlight: () => lent, waiting: () => waiting, random: () => 0.5 });
  clock.advance(1_000);
  const began = clock.now();
  log.tick();
  // What ends makes room before anybody asks in the same moment.
  const events: Event[][] = [[], [], []];
  for (const [client, asked, lentAt, ended] of rows) {
    const loan = { client: 0, askedAt: 0, lentAt: 0, profile: 0 };
    const request = { client, askedAt: began + asked };
    events[0]?.push({
      at: ended,
      happens: () => {
        log.returned(loan);
        lent.delete(loan);
      },
    });
    events[1]?.push({
      at: asked,
      happens: () => {
        waiting.push(request);
        log.joined(waiting.length);
      },
    });
    events[2]?.push({
      at: lentAt,
      happens: () => {
        waiting.splice(waiting.indexOf(request), 1);
        lent.add(loan);
        log.lend(loan, client, request.askedAt, waiting.length);
      },
    });
  }
  for (const { at, happens } of events.flat().sort((a, b) => a.at - b.at)) {
    if (began + at > clock.now()) clock.advance(began + at - clock.now());
    happens();
  }
  return log.windows();
}
