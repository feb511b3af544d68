import type { Status } from '../../status-document.js';
import { makeCharts } from './charts.js';
import { byId, setText } from './dom.js';
import { exactTime, span } from './format.js';
import { poll } from './poll.js';
import { makeSummary } from './summary.js';
import { makeTables } from './tables.js';

const views = [makeSummary(), makeCharts(), makeTables()];

let last: Status | null = null;

poll({
  answered: (status) => {
    last = status;
    setState(status.state);
    notice(noticeOf(status));
    showAbout(status);
    for (const view of views) view(status);
    byId('main').ariaBusy = 'false';
  },
  failed: () => {
    setState('gone');
    const since = last === null ? '' : ` What is shown is of ${exactTime(Date.parse(last.time))}.`;
    notice(
      last?.state === 'draining'
        ? `The proxy was stopping, and answers no longer.${since}`
        : `The proxy does not answer.${since} It is asked again every two seconds.`,
    );
  },
});

const WORDS = { serving: 'serving', starting: 'starting', draining: 'draining', gone: 'no answer' } as const;

function setState(state: keyof typeof WORDS): void {
  const target = byId('state');
  target.dataset['state'] = state;
  setText(target, WORDS[state]);
  document.body.classList.toggle('gone', state === 'gone');
  document.title = state === 'serving' ? 'MyBouncer' : `MyBouncer: ${WORDS[state]}`;
}

function notice(text: string): void {
  const target = byId('notice');
  setText(target, text);
  target.hidden = text === '';
}

function noticeOf({ state, reason, clients, trouble, workers, workersTotal }: Status): string {
  switch (state) {
    case 'serving':
      if (trouble === null && workers.length < workersTotal)
        return `Only ${workers.length} of ${workersTotal} processes answer: what the others do is not shown.`;
      return trouble === null
        ? ''
        : `No server session can be opened for ${trouble.pool}, since ${span(trouble.seconds)}: ${trouble.error}`;
    case 'starting':
      return `The server has not been reached yet: ${reason}`;
    case 'draining':
      return `The proxy is stopping: clients (${clients.total} now) are served until they have finished.`;
  }
}

function showAbout({ version, listen, server, poolMode, uptimeSeconds, time }: Status): void {
  const about = [
    `v${version}, up ${span(uptimeSeconds)}`,
    `${listen.join(', ')} → ${server.address}${server.version === null ? '' : ` (${server.version})`}`,
    `${poolMode} pooling`,
  ];
  setText(byId('about'), about.join(' · '));
  setText(byId('updated'), `as of ${exactTime(Date.parse(time))}`);
}
