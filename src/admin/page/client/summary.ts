import type { Status } from '../../status-document.js';
import { byId, element, setText } from './dom.js';
import { duration, number } from './format.js';

interface Tile {
  readonly title: string;
  /** What the tests and the curious call it. */
  readonly id: string;
  /** The number, and what stands behind it in small. */
  readonly value: (status: Status) => readonly [string, string?];
  readonly note: (status: Status) => string;
  readonly alarm?: (status: Status) => boolean;
  readonly bar?: true;
}

const TILES: readonly Tile[] = [
  {
    id: 'clients',
    title: 'Clients',
    value: ({ clients }) => [number(clients.total)],
    note: ({ clients: { active, idle, held, login } }) =>
      list(
        [active, 'active'],
        [held, 'held'],
        [idle, 'idle'],
        ...(login === 0 ? [] : [[login, 'logging in'] as const]),
      ),
  },
  {
    id: 'waiting',
    title: 'Waiting for a session',
    value: ({ waiting }) => [number(waiting)],
    note: ({ waiting, longestWaitMs }) =>
      waiting === 0 ? 'nobody waits' : `the longest for ${duration(longestWaitMs)}`,
    alarm: ({ longestWaitMs }) => longestWaitMs >= 1_000,
  },
  {
    id: 'sessions',
    title: 'Sessions in use',
    value: ({ sessions: { lent, held, limit } }) => [number(lent + held), `of ${number(limit)}`],
    note: ({ sessions: { lent, held, idle } }) => list([lent, 'at work'], [held, 'held'], [idle, 'idle']),
    bar: true,
  },
  {
    id: 'queries',
    title: 'Queries per second',
    value: ({ rates }) => [number(rates.queriesPerSecond)],
    note: ({ rates, totals }) =>
      rates.errorsPerSecond === null
        ? `${number(totals.queries)} since the start`
        : `${number(rates.errorsPerSecond)} errors per second`,
  },
  {
    id: 'wait',
    title: 'Wait, p99',
    value: ({ rates: { wait } }) => [duration(wait?.p99 ?? null)],
    note: ({ rates: { wait } }) => percentileNote(wait, 'nobody had to wait'),
  },
  {
    id: 'server',
    title: 'Server time, p99',
    value: ({ rates: { server } }) => [duration(server?.p99 ?? null)],
    note: ({ rates: { server } }) => percentileNote(server, 'nothing measured'),
  },
];

/** Each number stays beside its word. */
function list(...parts: readonly (readonly [count: number, word: string])[]): string {
  return parts.map(([count, word]) => `${number(count)}\u00a0${word}`).join(' · ');
}

function percentileNote(found: Status['rates']['wait'], none: string): string {
  return found === null ? none : `p50\u00a0${duration(found.p50)} · p95\u00a0${duration(found.p95)}`;
}

/** The row of numbers at the top. @returns what fills it */
export function makeSummary(): (status: Status) => void {
  const target = byId('summary');
  const updates = TILES.map(makeTile).map(({ box, update }) => {
    target.append(box);
    return update;
  });
  return (status) => {
    for (const update of updates) update(status);
  };
}

function makeTile(tile: Tile): { readonly box: HTMLElement; readonly update: (status: Status) => void } {
  const [value, small] = [document.createTextNode(''), element('small')];
  const shown = element('dd', 'value', value, small);
  const note = element('dd', 'note');
  const bar = tile.bar === true ? makeBar() : null;
  const box = element('div', '', element('dt', '', tile.title), shown);
  box.dataset['tile'] = tile.id;
  if (bar !== null) box.append(bar.box);
  box.append(note);
  return {
    box,
    update: (status) => {
      const [text, behind = ''] = tile.value(status);
      if (value.data !== text) value.data = text;
      setText(small, behind === '' ? '' : ` ${behind}`);
      setText(note, tile.note(status));
      shown.classList.toggle('alarm', tile.alarm?.(status) ?? false);
      bar?.update(status);
    },
  };
}

/** How much of the limit is lent, held and idle. It says nothing that the words beside it don't. */
function makeBar(): { readonly box: HTMLElement; readonly update: (status: Status) => void } {
  const parts = (['lent', 'held', 'idle'] as const).map((name) => ({ name, part: element('i', name) }));
  const box = element('dd', 'bar', ...parts.map(({ part }) => part));
  box.ariaHidden = 'true';
  return {
    box,
    update: ({ sessions }) => {
      const whole = Math.max(sessions.limit, sessions.open, 1);
      for (const { name, part } of parts) part.style.width = `${(100 * sessions[name]) / whole}%`;
    },
  };
}
