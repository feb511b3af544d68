import t from 'tap';
import { OTHERS, QueryDigests } from '../../src/observability/query-digests.js';
import { AskedText } from '../../src/relay/asked-text.js';
import { ClientStatement } from '../../src/relay/client-statement.js';
import type { StatementDigest } from '../../src/relay/digest-table.js';
import { StatementDigests } from '../../src/relay/statement-digests.js';
import { ProfileRegistry } from '../../src/session/profile.js';
import type { ServerInfo } from '../../src/session/server-info.js';
import type { RememberedStatement } from '../../src/sql/statement-memory.js';
import { EMPTY_TRAITS } from '../../src/sql/traits-table.js';
import { mariadb } from '../sql/describe.js';

const INFO: ServerInfo = {
  flavor: 'mariadb',
  versionText: '10.11.19-MariaDB',
  versionNumber: 101119,
  collation: 45,
  capabilities: 0,
};
const registry = new ProfileRegistry();
const variables = new Map([
  ['sql_mode', ''],
  ['character_set_client', 'utf8mb4'],
]);
const PROFILE = registry.initial(registry.baseline(variables), null, false);

type Slot = RememberedStatement<StatementDigest>;

function query(sql: string, slot: Slot | null = null, isCut = false): AskedText {
  const asked = new AskedText();
  const buf = Buffer.from(`<${sql}>`);
  asked.query(slot, buf, 1, buf.length - 1, mariadb(), isCut);
  return asked;
}

function execute(sql: string): { readonly asked: AskedText; readonly statement: ClientStatement } {
  const statement = new ClientStatement(1, Buffer.from(sql), EMPTY_TRAITS, PROFILE, 1);
  const asked = new AskedText();
  asked.execute(statement);
  return { asked, statement };
}

t.test('all ways lead to one digest', async (t) => {
  const digests = new StatementDigests(new QueryDigests(10));
  t.equal(digests.of(new AskedText(), INFO, 0), null, 'no statement');
  const slot: Slot = { digest: null };
  const first = digests.of(query('SELECT a FROM t WHERE b = 1', slot), INFO, 0);
  t.equal(first?.text, 'SELECT a FROM t WHERE b = ?');
  t.equal(slot.digest, first, 'it is remembered there');
  t.equal(digests.of(query('anything', slot), INFO, 0), first, 'and the text is not read again');
  t.equal(digests.of(query("SELECT a FROM t WHERE b = 'x'"), INFO, 0), first);
  t.equal(digests.of(query('select a from t /* c */ where b=5'), INFO, 0), first, 'another fingerprint');
  const { asked, statement } = execute('SELECT a FROM t WHERE b = ?');
  t.equal(digests.of(asked, INFO, 0), first);
  t.equal(statement.digest, first);
  t.equal(digests.of(query('SELECT a, /*!50000 b, */ c FROM t'), INFO, 0)?.text, 'SELECT a, b, c FROM t');
  t.match(digests.of(query("SELECT LENGTH('a", null, true), INFO, 0)?.text, /^SELECT LENGTH.*\.\.\.$/);
});

t.test('what is evicted is left, and comes in again', async (t) => {
  const digests = new StatementDigests(new QueryDigests(1));
  const slots: Slot[] = [{ digest: null }, { digest: null }];
  const texts = ['SELECT a', 'SELECT b'];
  let again = 0;
  for (let i = 0; i < 200; i++) {
    const which = i % 2;
    const digest = digests.of(query(texts[which] as string, slots[which]), INFO, 0);
    t.notOk(digest?.isEvicted);
    digest?.add(1, 0, 1, 1, false);
    if (i > 10 && digest?.text === texts[which]) again++;
  }
  t.ok(again > 10);
  const [kept, others] = digests.top(5);
  t.equal((kept?.count ?? 0) + (others?.count ?? 0), 200);
});

t.test('texts of which there are too many forms are counted with all others', async (t) => {
  const digests = new StatementDigests(new QueryDigests(10_000));
  let now = 1_000;
  const run = (i: number): string | undefined => {
    const digest = digests.of(query(`SELECT ${'x'.repeat(900)}${i}`), INFO, now);
    digest?.add(1, 0, 1, 1, false);
    return digest?.text;
  };
  for (let i = 0; i < 5_000; i++) run(i);
  const rows = digests.top(10_000);
  const others = rows.at(-1);
  t.equal(others?.text, OTHERS);
  t.ok((others?.count ?? 0) > 3_000, 'most of them, when they come all at once');
  t.equal(
    rows.reduce((sum, { count }) => sum + count, 0),
    5_000,
  );
  t.equal(run(10_000), OTHERS);
  now += 1_000;
  t.not(run(10_001), OTHERS, 'some time later there is time for more');
  t.not(run(0), OTHERS, 'what is known goes on to be counted');
});
