<?php
// Conformance of PHP's mysqli (mysqlnd): php -d mysqli.allow_local_infile=1 php-mysqli.php
// MYBOUNCER_TEST_URL, MYBOUNCER_TEST_PREFIX and the output: see conformance.ts.
// What a check does with $x and $y of its own may keep a server session for as long as the connection lives.
declare(strict_types=1);
require __DIR__ . '/php-lib.php';

function connect(string $charset = 'utf8mb4', string $password = PASSWORD, string $schema = SCHEMA): mysqli
{
    $connection = mysqli_init();
    $connection->options(MYSQLI_OPT_LOCAL_INFILE, 1);
    $connection->options(MYSQLI_SET_CHARSET_NAME, $charset);
    $connection->real_connect(HOST, USER, $password, $schema, PORT);
    return $connection;
}

function query(mysqli $connection, string $sql): array
{
    $result = $connection->query($sql);
    return $result === true ? [] : $result->fetch_all(MYSQLI_NUM);
}

function value(mysqli $connection, string $sql): mixed
{
    return query($connection, $sql)[0][0];
}

/** @param ?string $state null where mysqli does not tell: errors of connecting always say HY000 */
function fails(int $errno, ?string $state, callable $body): void
{
    try {
        $body();
    } catch (mysqli_sql_exception $error) {
        same([$error->getCode(), $state === null ? null : $error->getSqlState()], [$errno, $state]);
        return;
    }
    throw new Exception("no error, wanted $errno");
}

/** Every result of the statement sent last. */
function results(mysqli $connection): array
{
    $found = [];
    do {
        $result = $connection->store_result();
        if ($result !== false) {
            $found[] = $result->fetch_all(MYSQLI_NUM);
        }
    } while ($connection->more_results() && $connection->next_result());
    return $found;
}

function executed(mysqli_stmt $statement, ?array $values = null): array
{
    $statement->execute($values);
    $result = $statement->get_result();
    return $result === false ? [] : $result->fetch_all(MYSQLI_NUM);
}

$a = connect();
$b = connect();

check('connect', function () use ($a, $b) {
    same(query($a, 'SELECT 1, DATABASE(), @@character_set_client'), [['1', SCHEMA, 'utf8mb4']]);
    same(value($a, 'SELECT CONNECTION_ID()'), (string) $a->thread_id);
    same(value($b, 'SELECT CONNECTION_ID()'), (string) $b->thread_id);
    same($a->thread_id === $b->thread_id, false);
});
foreach (CREATE as $sql) {
    $a->query($sql);
}

check('text', function () use ($a, $b) {
    $blob = $a->real_escape_string(BLOB);
    $a->query('INSERT INTO ' . ITEMS . " (id,n,s,b,d,f) VALUES (1, 4611686018427387904, 'a\\'b', _binary '$blob', "
        . "'2024-02-29', 1.5), (2, -1, NULL, NULL, NULL, NULL), (3, 0, '', '', '1999-12-31', 0)");
    same($a->affected_rows, 3);
    same(query($a, 'SELECT id,n,s,b,d,f FROM ' . ITEMS . ' WHERE id < 3 ORDER BY id'), [
        ['1', '4611686018427387904', "a'b", BLOB, '2024-02-29', '1.5'],
        ['2', '-1', null, null, null, null],
    ]);
    $a->query('UPDATE ' . ITEMS . ' SET n = n + 1 WHERE id > 1');
    same($a->affected_rows, 2);
    same($a->info, 'Rows matched: 2  Changed: 2  Warnings: 0');
    $a->query('DELETE FROM ' . ITEMS . ' WHERE id = 3');
    same(query($b, 'SELECT id, n FROM ' . ITEMS . ' WHERE id > 1'), [['2', '0']]);
    same(query($b, 'SELECT id FROM ' . ITEMS . ' WHERE id = 77'), []);
});

check('unbuffered', function () use ($a) {
    $digits = '(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 '
        . 'UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)';
    $result = $a->query("SELECT x.n*100+y.n*10+z.n FROM $digits x, $digits y, $digits z", MYSQLI_USE_RESULT);
    $sum = 0;
    foreach ($result as $row) {
        $sum += (int) array_values($row)[0];
    }
    same($sum, 499500);
    $result->free();
});

check('asynchronous', function () use ($a, $b) {
    $a->query('SELECT 1, SLEEP(0.02)', MYSQLI_ASYNC);
    $b->query('SELECT 2', MYSQLI_ASYNC);
    $answers = [];
    $waiting = [$a, $b];
    while ($waiting !== []) {
        $read = $error = $reject = $waiting;
        mysqli_poll($read, $error, $reject, 5);
        foreach ($read as $connection) {
            $answers[] = $connection->reap_async_query()->fetch_row()[0];
            $waiting = array_values(array_filter($waiting, fn ($other) => $other !== $connection));
        }
    }
    sort($answers);
    same($answers, ['1', '2']);
});

check('prepared', function () use ($a, $b) {
    $insert = $a->prepare('INSERT INTO ' . ITEMS . ' (id,n,s,b,d,dt,f,c) VALUES (?,?,?,?,?,?,?,?)');
    $insert->bind_param('iissssds', $id, $n, $s, $bytes, $d, $dt, $f, $c);
    [$id, $n, $s, $bytes, $d, $dt, $f, $c] =
        [10, PHP_INT_MIN, TEXT, BLOB, '2024-02-29', '2024-02-29 23:59:59.123456', -0.25, '12.50000'];
    $insert->execute();
    [$id, $n, $s, $bytes, $d, $dt, $f, $c] = [11, null, null, null, null, null, null, null];
    $insert->execute();
    query($a, 'SELECT 1');
    [$id, $n, $s, $bytes, $d, $dt, $f, $c] = [12, 3, '', '', '0001-01-01', '1999-01-01 00:00:00', 1e300, '-1'];
    $insert->execute();
    same([$insert->affected_rows, $insert->param_count], [1, 8]);

    $select = $a->prepare('SELECT id,n,s,b,d,dt,f,c FROM ' . ITEMS . ' WHERE id = ?');
    $other = $b->prepare('SELECT id,n,s,b,d,dt,f,c FROM ' . ITEMS . ' WHERE id = ?');
    $first = [10, PHP_INT_MIN, TEXT, BLOB, '2024-02-29', '2024-02-29 23:59:59.123456', -0.25, '12.50000'];
    for ($round = 0; $round < 3; $round++) {
        same(executed($select, [10]), [$first]);
        same(executed($other, [11]), [[11, null, null, null, null, null, null, null]]);
        same(value($b, 'SELECT 5'), '5');
        same(executed($select, [12]), [[12, 3, '', '', '0001-01-01', '1999-01-01 00:00:00.000000', 1e300, '-1.00000']]);
        same(executed($select, [77]), []);
    }
    // The same parameter as an integer, a string, NULL and a double.
    $echo = $a->prepare('SELECT ? IS NULL, HEX(CAST(? AS CHAR))');
    foreach ([['ii', 1, 26, [0, '3236']], ['ss', 'a', 'a', [0, '61']], ['ss', null, null, [1, null]], ['is', 5, 'é', [0, 'C3A9']]] as [$types, $x, $y, $want]) {
        $echo->bind_param($types, $x, $y);
        same(executed($echo), [$want]);
    }
    $select->reset();
    same(executed($select, [10]), [$first]);
    $select->close();
    $insert->close();
    same(executed($other, [10]), [$first]);
    $echo->close();
    $other->close();
    fails(1146, '42S02', fn () => $a->prepare('SELECT * FROM no_such_table_here'));
});

check('prepared-error', function () use ($a) {
    $insert = $a->prepare('INSERT INTO ' . ITEMS . ' (id) VALUES (?)');
    $insert->execute([20]);
    fails(1062, '23000', fn () => $insert->execute([20]));
    $insert->execute([21]);
    same(value($a, 'SELECT COUNT(*) FROM ' . ITEMS . ' WHERE id IN (20, 21)'), '2');
});

check('cursor', function () use ($a, $b) {
    $statement = $a->prepare('SELECT id FROM ' . ITEMS . ' WHERE id IN (?, ?, ?) ORDER BY id');
    $statement->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
    $statement->attr_set(MYSQLI_STMT_ATTR_PREFETCH_ROWS, 1);
    foreach ([[10, 11, 12], [1, 2, 10]] as $ids) {
        $statement->execute($ids);
        $statement->bind_result($id);
        $found = [];
        while ($statement->fetch()) {
            $found[] = $id;
            query($b, 'SELECT 1');
        }
        same($found, $ids);
    }
    $statement->close();
});

check('long-data', function () use ($a, $b) {
    $statement = $a->prepare('INSERT INTO ' . BIG . ' VALUES (?, ?)');
    $none = null;
    foreach ([50, 51] as $id) {
        $statement->bind_param('ib', $id, $none);
        $statement->send_long_data(1, BLOB);
        query($b, 'SELECT 1');
        $statement->send_long_data(1, (string) $id);
        $statement->send_long_data(1, BLOB);
        $statement->execute();
    }
    $statement->close();
    same(query($b, 'SELECT b FROM ' . BIG . ' WHERE id IN (50, 51) ORDER BY id'),
        [[BLOB . '50' . BLOB], [BLOB . '51' . BLOB]]);
    $a->query('DELETE FROM ' . BIG);
});

function counted(mysqli $connection, int $id): string
{
    return value($connection, 'SELECT COUNT(*) FROM ' . ITEMS . " WHERE id = $id");
}

check('rollback', function () use ($a, $b) {
    $a->begin_transaction();
    $a->query('INSERT INTO ' . ITEMS . ' (id) VALUES (100)');
    same([counted($a, 100), counted($b, 100)], ['1', '0']);
    $a->rollback();
    same([counted($a, 100), counted($b, 100)], ['0', '0']);
});

check('commit', function () use ($a, $b) {
    $a->begin_transaction();
    $insert = $a->prepare('INSERT INTO ' . ITEMS . ' (id) VALUES (?)');
    $insert->execute([101]);
    $a->savepoint('one');
    $insert->execute([102]);
    $a->query('ROLLBACK TO SAVEPOINT `one`');
    same([counted($a, 101), counted($b, 101)], ['1', '0']);
    $a->commit();
    same([counted($a, 101), counted($b, 101), counted($b, 102)], ['1', '1', '0']);
});

check('autocommit', function () use ($a, $b) {
    $a->autocommit(false);
    $a->query('INSERT INTO ' . ITEMS . ' (id) VALUES (110)');
    same([value($a, 'SELECT @@autocommit'), value($b, 'SELECT @@autocommit'), counted($b, 110)], ['0', '1', '0']);
    $a->commit();
    same(counted($b, 110), '1');
    $a->query('DELETE FROM ' . ITEMS . ' WHERE id = 110');
    $a->autocommit(true);
    same([value($a, 'SELECT @@autocommit'), counted($b, 110)], ['1', '0']);
});

check('procedure', function () use ($a) {
    $a->multi_query('CALL ' . TWO . '(7)');
    same(results($a), [[['7', 'first']], [['8'], ['9']]]);
    same(value($a, 'SELECT 1'), '1');
    $statement = $a->prepare('CALL ' . TWO . '(?)');
    foreach ([1, 5] as $n) {
        $statement->execute([$n]);
        $found = [];
        do {
            $result = $statement->get_result();
            if ($result !== false) {
                $found[] = $result->fetch_all(MYSQLI_NUM);
            }
        } while ($statement->more_results() && $statement->next_result());
        same($found, [[[$n, 'first']], [[$n + 1], [$n + 2]]]);
    }
    $statement->close();
});

check('multi-statements', function () use ($a) {
    $a->multi_query('SELECT 1; UPDATE ' . ITEMS . ' SET n = 5 WHERE id = 1; SELECT n FROM ' . ITEMS . ' WHERE id = 1');
    same(results($a), [[['1']], [['5']]]);
    $a->multi_query('SELECT 2; SELECT * FROM no_such_table_here; SELECT 3');
    same($a->store_result()->fetch_all(), [['2']]);
    fails(1146, '42S02', fn () => $a->next_result());
    same(value($a, 'SELECT 4'), '4');
    // mysqli turns the option off again after multi_query.
    fails(1064, '42000', fn () => $a->query('SELECT 1; SELECT 2'));
});

check('local-infile', function () use ($a, $b) {
    $path = infile();
    try {
        $a->query("LOAD DATA LOCAL INFILE '$path' INTO TABLE " . FILE . ' (id, txt)');
        same($a->affected_rows, 40000);
    } finally {
        unlink($path);
    }
    same(query($b, "SELECT COUNT(*), SUM(id), SUM(txt = CONCAT('row-', id, '-', REPEAT('x', 30))) FROM " . FILE),
        [['40000', '800020000', '40000']]);
});

check('big-row', function () use ($a) {
    $a->query('INSERT INTO ' . BIG . " VALUES (1, _binary '" . $a->real_escape_string(BIG_BYTES) . "')");
    $insert = $a->prepare('INSERT INTO ' . BIG . ' VALUES (?, ?)');
    $insert->execute([2, BIG_BYTES]);
    $insert->close();
    same(query($a, 'SELECT LENGTH(b), SHA2(b, 256) FROM ' . BIG . ' ORDER BY id'), array_fill(0, 2, [(string) strlen(BIG_BYTES), BIG_SUM]));
    [$bytes, $after] = query($a, "SELECT b, 'after' FROM " . BIG . ' WHERE id = 2')[0];
    same([hash('sha256', $bytes), $after], [BIG_SUM, 'after']);
    $select = $a->prepare("SELECT b, 'after' FROM " . BIG . ' WHERE id = ?');
    [$bytes, $after] = executed($select, [1])[0];
    same([hash('sha256', $bytes), $after], [BIG_SUM, 'after']);
    same(value($a, 'SELECT 1'), '1');
});

check('utf8mb4', function () use ($a, $b) {
    $a->query('INSERT INTO ' . ITEMS . " (id, s) VALUES (200, '" . TEXT . "')");
    $result = $b->query('SELECT s AS `kůň`, HEX(s), CHAR_LENGTH(s) FROM ' . ITEMS . " WHERE id = 200 AND s = '" . TEXT . "'");
    same($result->fetch_fields()[0]->name, 'kůň');
    same($result->fetch_all(), [[TEXT, strtoupper(bin2hex(TEXT)), '19']]);
});

check('last-insert-id', function () use ($a, $b) {
    $a->query('INSERT INTO ' . IDS . " (v) VALUES ('a')");
    $mine = $a->insert_id;
    $b->query('INSERT INTO ' . IDS . " (v) VALUES ('b'), ('c'), ('d')");
    $theirs = $b->insert_id;
    same([$theirs, $b->affected_rows], [$mine + 1, 3]);
    query($a, 'SELECT 1');
    query($b, 'SELECT 1');
    for ($round = 0; $round < 2; $round++) {
        same(value($a, 'SELECT LAST_INSERT_ID()'), (string) $mine);
        same(value($b, 'SELECT LAST_INSERT_ID()'), (string) $theirs);
    }
    $insert = $a->prepare('INSERT INTO ' . IDS . ' (v) VALUES (?)');
    $insert->execute(['e']);
    same($insert->insert_id, $mine + 4);
    same(executed($b->prepare('SELECT v FROM ' . IDS . ' WHERE id = LAST_INSERT_ID()')), [['b']]);
});

check('session-state', function () use ($a, $b) {
    [[$mode, $zone]] = query($a, 'SELECT @@sql_mode, @@time_zone');
    $a->query("SET time_zone = '+03:00'");
    $a->query("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')");
    for ($round = 0; $round < 2; $round++) {
        same(query($a, 'SELECT "id", @@time_zone FROM ' . ITEMS . ' WHERE id = 1'), [['1', '+03:00']]);
        same(query($b, 'SELECT "id", @@time_zone FROM ' . ITEMS . ' WHERE id = 1'), [['id', $zone]]);
    }
    $a->query("SET @@session.sql_mode = '$mode', @@session.time_zone = '$zone'");
    same(query($a, 'SELECT "id", @@time_zone'), [['id', $zone]]);
});

check('user-variable', function () use ($b) {
    [$x, $y] = [connect(), connect()];
    for ($n = 0; $n < 3; $n++) {
        $x->query("SET @mine = $n");
        same([value($y, 'SELECT @mine'), value($b, 'SELECT @mine'), value($x, 'SELECT @mine + 1')], [null, null, (string) ($n + 1)]);
    }
});

check('temporary-table', function () use ($b) {
    [$x, $y] = [connect(), connect()];
    $x->query('CREATE TEMPORARY TABLE ' . TMP . ' (x INT)');
    $x->query('INSERT INTO ' . TMP . ' VALUES (1), (2)');
    fails(1146, '42S02', fn () => query($y, 'SELECT * FROM ' . TMP));
    fails(1146, '42S02', fn () => query($b, 'SELECT * FROM ' . TMP));
    same(value($x, 'SELECT SUM(x) FROM ' . TMP), '3');
    $x->query('DROP TEMPORARY TABLE ' . TMP);
    fails(1146, '42S02', fn () => query($x, 'SELECT * FROM ' . TMP));
});

check('user-lock', function () {
    $lock = LOCK;
    [$x, $y] = [connect(), connect()];
    same(value($x, "SELECT GET_LOCK('$lock', 5)"), '1');
    same(value($y, "SELECT GET_LOCK('$lock', 0)"), '0');
    same(value($x, "SELECT RELEASE_LOCK('$lock')"), '1');
    same(value($y, "SELECT GET_LOCK('$lock', 0)"), '1');
    $y = null;
    same(value($x, "SELECT GET_LOCK('$lock', 5)"), '1'); // free since its holder has gone
});

check('diagnostics', function () use ($a) {
    $a->query('UPDATE ' . ITEMS . ' SET n = 6 WHERE id = 1');
    same(value($a, 'SELECT ROW_COUNT()'), '1');
    $a->query('INSERT IGNORE INTO ' . ITEMS . ' (id) VALUES (1)');
    same([$a->warning_count, $a->get_warnings()->errno], [1, 1062]);
    query($a, 'SELECT id FROM ' . ITEMS . ' WHERE id IN (1, 2)');
    same(value($a, 'SELECT FOUND_ROWS()'), '2');
});

check('error-duplicate', function () use ($a) {
    fails(1062, '23000', fn () => $a->query('INSERT INTO ' . ITEMS . ' (id) VALUES (1)'));
    $a->begin_transaction();
    $a->query('INSERT INTO ' . ITEMS . ' (id) VALUES (120)');
    fails(1062, '23000', fn () => $a->query('INSERT INTO ' . ITEMS . ' (id) VALUES (1)'));
    same(counted($a, 120), '1');
    $a->rollback();
    same(counted($a, 120), '0');
});

check('error-syntax', function () use ($a) {
    fails(1064, '42000', fn () => $a->query('SELEKT 1'));
    same(value($a, 'SELECT 2'), '2');
});

check('ping', function () use ($a) {
    same($a->ping(), true);
    same(str_starts_with((string) $a->stat(), 'Uptime'), true);
});

check('init-db', function () use ($a, $b) {
    $a->select_db('information_schema');
    same([value($a, 'SELECT DATABASE()'), value($b, 'SELECT DATABASE()')], ['information_schema', SCHEMA]);
    fails(1049, '42000', fn () => $a->select_db(SCHEMA . '_missing'));
    $a->query('USE ' . SCHEMA);
    same(value($a, 'SELECT DATABASE()'), SCHEMA);
});

check('wrong-password', function () {
    fails(1045, null, fn () => connect(password: 'not-' . PASSWORD));
    fails(1045, null, fn () => connect(password: ''));
});

check('unknown-database', fn () => fails(1049, null, fn () => connect(schema: SCHEMA . '_missing')));

check('kill-and-reconnect', function () use ($a) {
    $victim = connect();
    $a->query("KILL {$victim->thread_id}");
    try {
        $victim->query('SELECT 1');
        throw new Exception('a killed connection answered');
    } catch (mysqli_sql_exception $error) {
        same(in_array($error->getCode(), [2006, 2013, 1927, 4031], true), true);
    }
    $victim = connect();
    $victim->query('SET @mine = 1');
    $victim->close();
    $again = connect();
    same(query($again, 'SELECT 1, @mine, @@autocommit'), [['1', null, '1']]);
    $again->close();
});

check('latin1', function () use ($a) {
    $west = connect(charset: 'latin1');
    same(value($west, 'SELECT @@character_set_client'), 'latin1');
    $west->query('INSERT INTO ' . ITEMS . " (id, s) VALUES (201, '" . WESTERN_LATIN1 . "')");
    $prepared = $west->prepare('SELECT s FROM ' . ITEMS . ' WHERE s = ?');
    for ($round = 0; $round < 3; $round++) {
        same(query($a, 'SELECT s, HEX(s) FROM ' . ITEMS . ' WHERE id = 201'), [[WESTERN, strtoupper(bin2hex(WESTERN))]]);
        same(query($west, 'SELECT s FROM ' . ITEMS . " WHERE s = '" . WESTERN_LATIN1 . "'"), [[WESTERN_LATIN1]]);
        same(executed($prepared, [WESTERN_LATIN1]), [[WESTERN_LATIN1]]);
        same(query($a, 'SELECT s FROM ' . ITEMS . ' WHERE id = 200'), [[TEXT]]);
    }
    $west->set_charset('utf8mb4');
    same(query($west, 'SELECT s FROM ' . ITEMS . ' WHERE id IN (200, 201) ORDER BY id'), [[TEXT], [WESTERN]]);
    $west->close();
});

check('change-user', function () use ($a, $b) {
    $a->query('SET @mine = 1');
    $a->query("SET time_zone = '+04:00'");
    $a->change_user(USER, PASSWORD, SCHEMA);
    same(query($a, 'SELECT @mine, DATABASE()'), [[null, SCHEMA]]);
    same(value($a, 'SELECT @@time_zone'), value($b, 'SELECT @@time_zone'));
    same(value($a, 'SELECT @@character_set_client'), 'utf8mb4');
    // Its own plugin for caching_sha2_password loses the SQLSTATE of an error that comes in place of the fast path's answer.
    fails(1045, null, fn () => $a->change_user(USER, 'not-it', SCHEMA));
});

foreach (DROP as $sql) {
    $b->query($sql);
}
exit($failed ? 1 : 0);
