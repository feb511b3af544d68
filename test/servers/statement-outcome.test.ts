import t from 'tap';
import { Outcome, outcomeOf, ServerHint } from '../../src/servers/statement-outcome.js';

const { Refused, RolledBack, Unknown } = Outcome;
const { ReadOnly, NotReady, Leaving } = ServerHint;
const READ_ONLY =
  'The MariaDB server is running with the --read-only option so it cannot execute this statement';

t.test('what became of a statement, by what the servers say', async (t) => {
  const cases: readonly [number, string, boolean, Outcome | null, ServerHint | null][] = [
    [1290, READ_ONLY, false, Refused, ReadOnly],
    [1290, READ_ONLY, true, RolledBack, ReadOnly],
    [
      1290,
      'The MySQL server is running with the --super-read-only option so it cannot …',
      false,
      Refused,
      ReadOnly,
    ],
    [
      1290,
      'The MySQL server is running with the --secure-file-priv option so it cannot …',
      false,
      null,
      null,
    ],
    [1290, 'The MariaDB server is running with the --skip-grant-tables option so it …', false, null, null],
    [1836, 'Running in read-only mode', false, Refused, ReadOnly],
    [1047, 'WSREP has not yet prepared node for application use', false, Refused, NotReady],
    [1047, 'WSREP has not yet prepared node for application use', true, Refused, NotReady],
    [1047, 'Unknown command', false, null, null],
    [
      1180,
      'Error while appending streaming replication fragment(provider status: Not connected to Primary Component)',
      false,
      Unknown,
      Leaving,
    ],
    [1180, "Got error 149 - 'Lock deadlock; Retry transaction' during COMMIT", true, RolledBack, null],
    [1180, 'Got error 28 "No space left on device" during COMMIT', true, null, null],
    [1213, 'Deadlock found when trying to get lock; try restarting transaction', false, RolledBack, null],
    [3101, 'Plugin instructed the server to rollback the current transaction.', true, RolledBack, null],
    [3100, "Error on observer while running replication hook 'before_commit'.", true, Unknown, Leaving],
    [1053, 'Server shutdown in progress', false, Unknown, Leaving],
    [1062, "Duplicate entry '1' for key 'PRIMARY'", false, null, null],
  ];
  for (const [errno, message, commits, outcome, hint] of cases) {
    t.strictSame(
      outcomeOf({ errno, message }, commits),
      outcome === null ? null : { outcome, hint },
      `${errno} ${message}`,
    );
  }
});
