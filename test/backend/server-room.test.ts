import t from 'tap';
import { ALONE, poolSizeFor, type RoomRules, reserveOf, roomOf } from '../../src/backend/server-room.js';
import { fc } from '../support/properties.js';

const RULES: RoomRules = { reserve: { share: 0.1 }, own: 2, oneAccount: true };
const room = (maxConnections: number, accountLimit: number | null = null) => ({
  maxConnections,
  accountLimit,
});

t.test('a share of the connections stays free, at least five; a number is what it says', async (t) => {
  t.equal(reserveOf(room(151), RULES), 16);
  t.equal(reserveOf(room(40), RULES), 5);
  t.equal(reserveOf(room(40), { ...RULES, reserve: { count: 0 } }), 0);
  t.equal(poolSizeFor(room(151), RULES, ALONE), 133);
  t.equal(poolSizeFor(room(4), RULES, ALONE), 1, 'never less than one');
});

t.test('the limit of the only account counts where it is lower', async (t) => {
  t.equal(poolSizeFor(room(151, 10), RULES, ALONE), 8);
  t.equal(poolSizeFor(room(151, 1_000), RULES, ALONE), 133);
  t.equal(poolSizeFor(room(151, 10), { ...RULES, oneAccount: false }, ALONE), 133);
});

t.test('parts add up to what there is, whoever shares it', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 100, max: 10_000 }), fc.integer({ min: 1, max: 20 }), (most, members) => {
      const parts = Array.from({ length: members }, (_, rank) =>
        poolSizeFor(room(most), RULES, { members, rank }),
      );
      const sum = parts.reduce((total, part) => total + part + RULES.own, 0);
      const fair = Math.max(...parts) - Math.min(...parts) <= 1;
      const ample = Math.floor((most - reserveOf(room(most), RULES)) / members) > RULES.own;
      return fair && (!ample || sum === most - reserveOf(room(most), RULES));
    }),
  );
});

t.test('what the servers say', async (t) => {
  const mysql = { flavor: 'mysql' } as const;
  const mariadb = { flavor: 'mariadb' } as const;
  t.same(roomOf(mysql, [[['151', '0', '0']]]), room(151));
  t.same(roomOf(mysql, [[['151', '0', '7']]]), room(151, 7));
  t.same(roomOf(mysql, [[['151', '9', '9']]]), room(151, 9));
  const grant = (text: string) => [
    [['151', '20', '20']],
    [[`GRANT USAGE ON *.* TO \`u\`@\`%\`${text}`], ['GRANT x']],
  ];
  t.same(roomOf(mariadb, grant(' WITH MAX_QUERIES_PER_HOUR 5 MAX_USER_CONNECTIONS 7')), room(151, 7));
  t.same(roomOf(mariadb, grant('')), room(151, 20), 'that of all accounts');
});
