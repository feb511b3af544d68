import { parentPort, workerData } from 'node:worker_threads';
import { findHolders } from './holder-search.js';
import { Inspector } from './inspector.js';
import type { InspectorOptions, Report, Request } from './messages.js';
import { BootClock, Newcomers } from './newcomers.js';
import { LastProcessId } from './process-ids.js';
import { isShortage } from './shortage.js';

/** Where an {@link Inspector} works. */
export type InspectorThread = { readonly options: InspectorOptions };

/** How often ids are looked at again that had no process, in ms. */
const FIRST_AGAIN_MS = 2;
const THEN_AGAIN_MS = 20;
/** And holders for which there were no descriptors left. */
const EXAMINE_AGAIN_MS = 20;

const port = parentPort;
const ids = LastProcessId.open();
if (port !== null && ids !== null) {
  const { options } = workerData as InspectorThread;
  const clock = new BootClock();
  const inspector = new Inspector(options, new Newcomers(ids, clock, options.origin));
  let timer: NodeJS.Timeout | null = null;
  const lookAgain = (): void => {
    timer = null;
    const { inherited, doubts } = inspector.lookAgain();
    if (inherited.length + doubts.length > 0) report({ kind: 'late', inherited, doubts });
    if (inspector.hasUnborn) timer = setTimeout(lookAgain, THEN_AGAIN_MS);
  };
  const report = (message: Report): void => port.postMessage(message);
  const again = (): void => {
    if (timer === null && inspector.hasUnborn) timer = setTimeout(lookAgain, FIRST_AGAIN_MS);
  };
  const examine = (request: Extract<Request, { kind: 'examine' }>): void => {
    const { serial, suspicions } = request;
    try {
      report({ kind: 'examine', serial, holders: findHolders(suspicions, clock) });
    } catch (error) {
      if (!isShortage(error)) throw error;
      setTimeout(() => examine(request), EXAMINE_AGAIN_MS);
    }
  };
  port.on('message', (request: Request) => {
    switch (request.kind) {
      case 'survey':
        report({ kind: 'survey', serial: request.serial, survey: inspector.survey(request.clients) });
        again();
        break;
      case 'missing':
        inspector.missing(request.ids);
        again();
        break;
      case 'resolve':
        void inspector
          .resolve()
          .then((resolved) => report({ kind: 'resolve', serial: request.serial, resolved }));
        break;
      case 'locate':
        void inspector
          .locate(request.sought)
          .then((located) => report({ kind: 'locate', serial: request.serial, located }));
        break;
      case 'examine':
        examine(request);
        break;
    }
  });
}
