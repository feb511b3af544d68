import type { Status } from '../../status-document.js';
import { byId, element, setText } from './dom.js';
import { bytes, duration, number, span } from './format.js';

interface Column<Row> {
  readonly title: string;
  readonly kind: 'name' | 'word' | 'number' | 'code';
  readonly cell: (row: Row) => string;
}

interface View<Row> {
  readonly id: string;
  readonly title: string;
  /** What stands there instead when there are no rows. */
  readonly none: string;
  readonly half?: true;
  /** On a narrow screen each row is a block, and its cells say what they are. */
  readonly stacked?: true;
  /** Null: the whole section is left out, until there was something. */
  readonly rows: (status: Status) => readonly Row[] | null;
  /** Behind the title. */
  readonly aside?: (status: Status) => string;
  /** The first names the row. */
  readonly columns: readonly Column<Row>[];
}

type RowOf<Name extends 'pools' | 'waiters' | 'holds' | 'holdsByReason'> = Status[Name][number];

function column<Row>(title: string, kind: Column<Row>['kind'], cell: Column<Row>['cell']): Column<Row> {
  return { title, kind, cell };
}

const WAITERS: View<RowOf<'waiters'>> = {
  id: 'waiters',
  title: 'Waiting longest',
  none: 'Nobody waits for a server session.',
  half: true,
  stacked: true,
  rows: ({ waiters }) => waiters,
  aside: ({ waiters, clients }) => listed(waiters.length, clients.waiting),
  columns: [
    column('User', 'name', ({ user }) => user),
    column('Waited', 'number', ({ waitedMs }) => duration(waitedMs)),
    column('From', 'name', ({ address, application }) =>
      [address ?? 'unix socket', application].filter((one) => one !== null && one !== '').join(' · '),
    ),
    column('Client', 'word', ({ client }) => String(client)),
  ],
};

const REASONS: View<RowOf<'holdsByReason'>> = {
  id: 'reasons',
  title: 'Why sessions are held',
  none: 'No client keeps a server session.',
  half: true,
  rows: ({ holdsByReason }) => holdsByReason,
  columns: [
    column('Reason', 'name', ({ reason }) => reason.replaceAll('_', ' ')),
    column('Clients', 'number', ({ clients }) => number(clients)),
  ],
};

const HOLDS: View<RowOf<'holds'>> = {
  id: 'holds',
  title: 'Held sessions',
  none: 'No client keeps one now.',
  rows: ({ holds, holdsTotal }) => (holdsTotal === 0 ? null : holds),
  stacked: true,
  aside: ({ holdsTotal }) =>
    holdsTotal === 0 ? '' : holdsTotal === 1 ? 'by one client' : `by ${number(holdsTotal)} clients`,
  columns: [
    column('Reason', 'word', ({ reason }) => reason.replaceAll('_', ' ')),
    column('For', 'number', ({ seconds }) => span(seconds)),
    column('Client', 'word', ({ client }) => String(client)),
    column('User', 'name', ({ user }) => user),
    column('Since this statement', 'code', ({ statement }) => statement ?? '–'),
  ],
};

const POOLS: View<RowOf<'pools'>> = {
  id: 'pools',
  title: 'Pools',
  none: 'No client has needed a server session yet.',
  rows: ({ pools }) => pools,
  aside: ({ pools, poolsTotal, totals: { reuseRatio, checkouts } }) => {
    const loans = Object.values(checkouts).reduce((a, b) => a + b, 0);
    const free =
      loans === 0 ? '' : `${number(Math.round(reuseRatio * 1_000) / 10)} % of all loans cost nothing`;
    return [listed(pools.length, poolsTotal), free].filter((one) => one !== '').join(' · ');
  },
  columns: [
    column('Pool', 'name', ({ name, paused }) => (paused ? `${name} (paused)` : name)),
    column('At work', 'number', ({ lent }) => number(lent)),
    column('Held', 'number', ({ held }) => number(held)),
    column('Idle', 'number', ({ idle }) => number(idle)),
    column('Opening', 'number', ({ opening }) => number(opening)),
    column('Closing', 'number', ({ closing }) => number(closing)),
    column('Waiting', 'number', ({ waiting }) => number(waiting)),
    column('Longest wait', 'number', ({ longestWaitMs }) =>
      longestWaitMs === 0 ? '–' : duration(longestWaitMs),
    ),
  ],
};

const SERVERS: View<NonNullable<Status['servers']>[number]> = {
  id: 'servers',
  title: 'Servers',
  none: '',
  rows: ({ servers }) => servers,
  columns: [
    column('Server', 'name', ({ name, paused }) => (paused ? `${name} (paused)` : name)),
    column('State', 'word', ({ state }) => state.replaceAll('_', ' ')),
    column('For', 'number', ({ seconds }) => span(seconds)),
    column('Role', 'word', ({ role, getsWrites }) =>
      getsWrites ? `${role ?? ''}, gets writes` : (role ?? '–'),
    ),
    column('Lag', 'number', ({ lagSeconds }) => (lagSeconds === null ? '–' : span(lagSeconds))),
    column('Because', 'word', ({ reasons }) =>
      reasons.length === 0 ? '–' : reasons.join(', ').replaceAll('_', ' '),
    ),
    column('Lent', 'number', ({ lent }) => number(lent)),
    column('Waiting', 'number', ({ waiting }) => number(waiting)),
  ],
};

const QUERIES: View<NonNullable<Status['topQueries']>[number]> = {
  id: 'queries',
  title: 'Most time on the server',
  none: 'No statement has been counted yet.',
  stacked: true,
  rows: ({ topQueries }) => topQueries,
  columns: [
    column('Statement', 'code', ({ text }) => text),
    column('Time', 'number', ({ serverMs }) => duration(serverMs)),
    column('Count', 'number', ({ count }) => number(count)),
    column('p50', 'number', ({ p50Ms }) => duration(p50Ms)),
    column('p95', 'number', ({ p95Ms }) => duration(p95Ms)),
    column('p99', 'number', ({ p99Ms }) => duration(p99Ms)),
    column('Waited', 'number', ({ waitMs }) => duration(waitMs)),
    column('Rows', 'number', ({ rows }) => number(rows)),
    column('Bytes', 'number', (row) => bytes(row.bytes)),
    column('Errors', 'number', ({ errors }) => number(errors)),
    column('Holds', 'number', ({ holds }) => number(holds)),
  ],
};

const FLEET: View<NonNullable<Status['fleet']>> = {
  id: 'fleet',
  title: 'Fleet',
  none: '',
  rows: ({ fleet }) => (fleet === null ? null : [fleet]),
  columns: [
    column('Proxies on this server', 'word', ({ members }) =>
      members === 0 ? 'not known' : number(members),
    ),
    column('Share of this one', 'number', ({ share }) => number(share)),
    column('Sessions at most, now', 'number', ({ limit }) => number(limit)),
    column('max_connections', 'number', ({ maxConnections }) => number(maxConnections)),
  ],
};

const WORKERS: View<Status['workers'][number]> = {
  id: 'workers',
  title: 'Processes',
  none: '',
  rows: ({ workers, workersTotal }) => (workersTotal === 1 ? null : workers),
  aside: ({ workers, workersTotal }) => listed(workers.length, workersTotal),
  columns: [
    column('Process', 'word', ({ worker }) => String(worker)),
    column('Clients', 'number', ({ clients }) => number(clients)),
    column('Server sessions', 'number', ({ sessions }) => number(sessions)),
    column('Up', 'number', ({ uptimeSeconds }) => span(uptimeSeconds)),
    column('PID', 'word', ({ pid }) => String(pid)),
  ],
};

/** The lists below the charts. @returns what fills them */
export function makeTables(): (status: Status) => void {
  const updates = [
    make(WAITERS),
    make(REASONS),
    make(HOLDS),
    make(QUERIES),
    make(SERVERS),
    make(POOLS),
    make(WORKERS),
    make(FLEET),
  ];
  return (status) => {
    for (const update of updates) update(status);
  };
}

function make<Row>(view: View<Row>): (status: Status) => void {
  const aside = element('span', 'aside');
  const title = element('h2', '', `${view.title} `, aside);
  title.id = `${view.id}-title`;
  const body = element('tbody');
  const region = element(
    'div',
    'scroll',
    element('table', view.stacked === true ? 'stacked' : '', headOf(view), body),
  );
  region.tabIndex = 0;
  region.role = 'region';
  region.setAttribute('aria-labelledby', title.id);
  const none = element('p', 'none', view.none);
  const section = element(
    'section',
    view.half === true ? 'half' : '',
    title,
    element('div', 'card', none, region),
  );
  section.id = view.id;
  section.hidden = true;
  byId('tables').append(section);
  const reserve = reservation(section);
  let shown = '';
  return (status) => {
    const found = view.rows(status);
    if (found === null && section.hidden) return;
    section.hidden = false;
    const rows = found ?? [];
    setText(aside, view.aside?.(status) ?? '');
    const cells = rows.map((row) => view.columns.map(({ cell }) => cell(row)));
    // A row that somebody is copying from stays where it is.
    const text = JSON.stringify(cells);
    if (text !== shown) body.replaceChildren(...cells.map((texts) => rowOf(view, texts)));
    shown = text;
    none.hidden = rows.length > 0;
    region.hidden = rows.length === 0;
    reserve();
  };
}

/** Rows come and go every moment: what is below them stays where it is. @returns what to call when they have changed */
function reservation(section: HTMLElement): () => void {
  let most = 0;
  window.addEventListener('resize', () => {
    most = 0;
    section.style.minHeight = '';
  });
  return () => {
    const { offsetHeight } = section;
    if (offsetHeight <= most) return;
    most = offsetHeight;
    section.style.minHeight = `${most}px`;
  };
}

function headOf<Row>({ title, columns }: View<Row>): HTMLElement {
  const cells = columns.map((one) => {
    const cell = element('th', one.kind, one.title);
    cell.scope = 'col';
    return cell;
  });
  const head = element('thead', '', element('tr', '', ...cells));
  head.ariaLabel = title;
  return head;
}

function rowOf<Row>({ columns }: View<Row>, texts: readonly string[]): HTMLElement {
  const cells = columns.map(({ kind, title }, i) => {
    const cell = element(i === 0 ? 'th' : 'td', kind, texts[i] ?? '');
    cell.dataset['title'] = title;
    if (i === 0) cell.scope = 'row';
    return cell;
  });
  return element('tr', '', ...cells);
}

function listed(rows: number, all: number): string {
  return all > rows ? `${number(rows)} of ${number(all)}` : '';
}
