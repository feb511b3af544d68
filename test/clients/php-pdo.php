<?php
// Conformance of PHP's PDO (mysqlnd): php-pdo.php emulated|native
// MYBOUNCER_TEST_URL, MYBOUNCER_TEST_PREFIX and the output: see conformance.ts.
// What a check does with $x and $y of its own may keep a server session for as long as the connection lives.
declare(strict_types=1);
require __DIR__ . '/php-lib.php';

define('EMULATED', $argv[1] === 'emulated');

function connect(string $charset = 'utf8mb4', string $password = PASSWORD, string $schema = SCHEMA): PDO
{
    return new PDO('mysql:host=' . HOST . ';port=' . PORT . ";dbname=$schema;charset=$charset", USER, $password, [
        PDO::ATTR_EMULATE_PREPARES => EMULATED,
        PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
        PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_NUM,
        PDO::MYSQL_ATTR_LOCAL_INFILE => true,
    ]);
}

function query(PDO $connection, string $sql, ?array $values = null): array
{
    $statement = $connection->prepare($sql);
    $statement->execute($values);
    return $statement->columnCount() === 0 ? [] : $statement->fetchAll();
}

function value(PDO $connection, string $sql, ?array $values = null): mixed
{
    return query($connection, $sql, $values)[0][0];
}

function fails(int $errno, string $state, callable $body): void
{
    try {
        $body();
    } catch (PDOException $error) {
        same([$error->errorInfo[1], $error->errorInfo[0]], [$errno, $state]);
        return;
    }
    throw new Exception("no error, wanted $errno");
}

function results(PDOStatement $statement): array
{
    $found = [];
    do {
        if ($statement->columnCount() > 0) {
            $found[] = $statement->fetchAll();
        }
    } while ($statement->nextRowset());
    // A native statement shows the closing OK of a procedure as one more result without rows.
    return array_values(array_filter($found));
}

function counted(PDO $connection, int $id): int
{
    return value($connection, 'SELECT COUNT(*) FROM ' . ITEMS . ' WHERE id = ?', [$id]);
}

$a = connect();
$b = connect();

check('connect', function () use ($a, $b) {
    same(query($a, 'SELECT 1, DATABASE(), @@character_set_client'), [[1, SCHEMA, 'utf8mb4']]);
    same(value($a, 'SELECT CONNECTION_ID()') === value($b, 'SELECT CONNECTION_ID()'), false);
});
foreach (CREATE as $sql) {
    $a->exec($sql);
}

check('text', function () use ($a, $b) {
    same($a->exec('INSERT INTO ' . ITEMS . ' (id,n,s,b,d,f) VALUES (1, 4611686018427387904, ' . $a->quote("a'b\\c")
        . ', _binary ' . $a->quote(BLOB) . ", '2024-02-29', 1.5), (2, -1, NULL, NULL, NULL, NULL), (3, 0, '', '', NULL, 0)"), 3);
    $rows = [[1, 4611686018427387904, "a'b\\c", BLOB, '2024-02-29', 1.5], [2, -1, null, null, null, null]];
    same($a->query('SELECT id,n,s,b,d,f FROM ' . ITEMS . ' WHERE id < 3 ORDER BY id')->fetchAll(), $rows);
    same($a->exec('UPDATE ' . ITEMS . ' SET n = n + 1 WHERE id > 1'), 2);
    same($a->exec('DELETE FROM ' . ITEMS . ' WHERE id = 3'), 1);
    same($b->query('SELECT id, n FROM ' . ITEMS . ' WHERE id > 1')->fetchAll(), [[2, 0]]);
    same($b->query('SELECT id FROM ' . ITEMS . ' WHERE id = 77')->fetchAll(), []);
});

check('unbuffered', function () use ($a) {
    $a->setAttribute(PDO::MYSQL_ATTR_USE_BUFFERED_QUERY, false);
    try {
        $digits = '(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 '
            . 'UNION SELECT 7 UNION SELECT 8 UNION SELECT 9)';
        $sum = 0;
        foreach ($a->query("SELECT x.n*100+y.n*10+z.n FROM $digits x, $digits y, $digits z") as [$n]) {
            $sum += $n;
        }
        same($sum, 499500);
    } finally {
        $a->setAttribute(PDO::MYSQL_ATTR_USE_BUFFERED_QUERY, true);
    }
});

check('prepared', function () use ($a, $b) {
    $insert = $a->prepare('INSERT INTO ' . ITEMS . ' (id,n,s,b,d,dt,f,c) VALUES (:id,:n,:s,:b,:d,:dt,:f,:c)');
    $first = [10, PHP_INT_MIN + 1, TEXT, BLOB, '2024-02-29', '2024-02-29 23:59:59.123456', -0.25, '12.50000'];
    $empty = [11, null, null, null, null, null, null, null];
    $last = [12, 3, '', '', '1000-01-01', '1999-01-01 00:00:00.000000', 0.0, '-1.00000'];
    foreach ([$first, $empty, $last] as $row) {
        foreach (['id', 'n', 's', 'b', 'd', 'dt', 'f', 'c'] as $i => $name) {
            $type = is_int($row[$i]) ? PDO::PARAM_INT : ($row[$i] === null ? PDO::PARAM_NULL : ($name === 'b' ? PDO::PARAM_LOB : PDO::PARAM_STR));
            $insert->bindValue($name, $row[$i], $type);
        }
        $insert->execute();
        same($insert->rowCount(), 1);
        same(value($a, 'SELECT 7'), 7);
    }
    $select = $a->prepare('SELECT id,n,s,b,d,dt,f,c FROM ' . ITEMS . ' WHERE id = ?');
    $other = $b->prepare('SELECT id,n,s,b,d,dt,f,c FROM ' . ITEMS . ' WHERE id = ?');
    $executed = function (PDOStatement $statement, int $id): array {
        $statement->execute([$id]);
        return $statement->fetchAll();
    };
    for ($round = 0; $round < 3; $round++) {
        same($executed($select, 10), [$first]);
        same($executed($other, 11), [$empty]);
        same(value($b, 'SELECT 5'), 5);
        same($executed($select, 12), [$last]);
        same($executed($select, 77), []);
    }
    $select->closeCursor();
    same($executed($select, 10), [$first]);
    unset($select, $insert);
    same($executed($other, 10), [$first]);
});

check('prepared-error', function () use ($a) {
    $insert = $a->prepare('INSERT INTO ' . ITEMS . ' (id) VALUES (?)');
    $insert->execute([20]);
    fails(1062, '23000', fn () => $insert->execute([20]));
    $insert->execute([21]);
    same(value($a, 'SELECT COUNT(*) FROM ' . ITEMS . ' WHERE id IN (20, 21)'), 2);
    fails(1146, '42S02', fn () => query($a, 'SELECT * FROM no_such_table_here WHERE 1 = ?', [1]));
});

check('rollback', function () use ($a, $b) {
    $a->beginTransaction();
    query($a, 'INSERT INTO ' . ITEMS . ' (id) VALUES (?)', [100]);
    same([$a->inTransaction(), counted($a, 100), counted($b, 100)], [true, 1, 0]);
    $a->rollBack();
    same([$a->inTransaction(), counted($a, 100), counted($b, 100)], [false, 0, 0]);
});

check('commit', function () use ($a, $b) {
    $a->beginTransaction();
    query($a, 'INSERT INTO ' . ITEMS . ' (id) VALUES (?)', [101]);
    $a->exec('SAVEPOINT one');
    query($a, 'INSERT INTO ' . ITEMS . ' (id) VALUES (?)', [102]);
    $a->exec('ROLLBACK TO SAVEPOINT one');
    same([counted($a, 101), counted($b, 101)], [1, 0]);
    $a->commit();
    same([counted($a, 101), counted($b, 101), counted($b, 102)], [1, 1, 0]);
});

check('autocommit', function () use ($a, $b) {
    $a->setAttribute(PDO::ATTR_AUTOCOMMIT, 0);
    query($a, 'INSERT INTO ' . ITEMS . ' (id) VALUES (110)');
    same([value($a, 'SELECT @@autocommit'), value($b, 'SELECT @@autocommit'), counted($b, 110)], [0, 1, 0]);
    $a->exec('COMMIT');
    same(counted($b, 110), 1);
    $a->exec('DELETE FROM ' . ITEMS . ' WHERE id = 110');
    $a->setAttribute(PDO::ATTR_AUTOCOMMIT, 1);
    same([value($a, 'SELECT @@autocommit'), counted($b, 110)], [1, 0]);
});

check('procedure', function () use ($a) {
    $statement = $a->prepare('CALL ' . TWO . '(?)');
    foreach ([7, 1] as $n) {
        $statement->bindValue(1, $n, PDO::PARAM_INT);
        $statement->execute();
        same(results($statement), [[[$n, 'first']], [[$n + 1], [$n + 2]]]);
    }
    same(value($a, 'SELECT 1'), 1);
});

check('multi-statements', function () use ($a) {
    $a->setAttribute(PDO::ATTR_EMULATE_PREPARES, true); // a server-side prepare takes one statement
    $sql = 'SELECT 1; UPDATE ' . ITEMS . ' SET n = 5 WHERE id = 1; SELECT n FROM ' . ITEMS . ' WHERE id = 1';
    same(results($a->query($sql)), [[[1]], [[5]]]);
    $statement = $a->query('SELECT 2; SELECT * FROM no_such_table_here; SELECT 3');
    same($statement->fetchAll(), [[2]]);
    fails(1146, '42S02', fn () => $statement->nextRowset());
    unset($statement);
    $a->setAttribute(PDO::ATTR_EMULATE_PREPARES, EMULATED);
    same(value($a, 'SELECT 4'), 4);
});

check('local-infile', function () use ($a, $b) {
    $path = infile();
    try {
        same($a->exec("LOAD DATA LOCAL INFILE '$path' INTO TABLE " . FILE . ' (id, txt)'), 40000);
    } finally {
        unlink($path);
    }
    same($b->query("SELECT COUNT(*), SUM(id), SUM(txt = CONCAT('row-', id, '-', REPEAT('x', 30))) FROM " . FILE)->fetchAll(),
        [[40000, '800020000', '40000']]);
});

check('big-row', function () use ($a) {
    query($a, 'INSERT INTO ' . BIG . ' VALUES (1, ?)', [BIG_BYTES]);
    same(query($a, 'SELECT LENGTH(b), SHA2(b, 256) FROM ' . BIG), [[strlen(BIG_BYTES), BIG_SUM]]);
    [$bytes, $after] = query($a, "SELECT b, 'after' FROM " . BIG . ' WHERE id = ?', [1])[0];
    same([hash('sha256', $bytes), $after], [BIG_SUM, 'after']);
    same(value($a, 'SELECT 1'), 1);
});

check('utf8mb4', function () use ($a, $b) {
    query($a, 'INSERT INTO ' . ITEMS . ' (id, s) VALUES (200, ?)', [TEXT]);
    $statement = $b->prepare('SELECT s AS `kůň`, HEX(s), CHAR_LENGTH(s) FROM ' . ITEMS . ' WHERE id = 200 AND s = ?');
    $statement->execute([TEXT]);
    same($statement->getColumnMeta(0)['name'], 'kůň');
    same($statement->fetchAll(), [[TEXT, strtoupper(bin2hex(TEXT)), 19]]);
});

check('last-insert-id', function () use ($a, $b) {
    query($a, 'INSERT INTO ' . IDS . ' (v) VALUES (?)', ['a']);
    $mine = (int) $a->lastInsertId();
    query($b, 'INSERT INTO ' . IDS . ' (v) VALUES (?), (?), (?)', ['b', 'c', 'd']);
    $theirs = (int) $b->lastInsertId();
    same($theirs, $mine + 1);
    query($a, 'SELECT 1');
    query($b, 'SELECT 1');
    for ($round = 0; $round < 2; $round++) {
        same(value($a, 'SELECT LAST_INSERT_ID()'), $mine);
        same(value($b, 'SELECT LAST_INSERT_ID()'), $theirs);
    }
    same(query($b, 'SELECT v FROM ' . IDS . ' WHERE id = LAST_INSERT_ID()'), [['b']]);
});

check('session-state', function () use ($a, $b) {
    [[$mode, $zone]] = query($a, 'SELECT @@sql_mode, @@time_zone');
    $a->exec("SET time_zone = '+03:00'");
    $a->exec("SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')");
    for ($round = 0; $round < 2; $round++) {
        same(query($a, 'SELECT "id", @@time_zone FROM ' . ITEMS . ' WHERE id = 1'), [[1, '+03:00']]);
        same(query($b, 'SELECT "id", @@time_zone FROM ' . ITEMS . ' WHERE id = 1'), [['id', $zone]]);
    }
    $a->exec("SET @@session.sql_mode = '$mode', @@session.time_zone = '$zone'");
    same(query($a, 'SELECT "id", @@time_zone'), [['id', $zone]]);
});

check('user-variable', function () use ($b) {
    [$x, $y] = [connect(), connect()];
    for ($n = 0; $n < 3; $n++) {
        $x->exec("SET @mine = $n");
        same([value($y, 'SELECT @mine'), value($b, 'SELECT @mine'), value($x, 'SELECT @mine + 1')], [null, null, $n + 1]);
    }
});

check('temporary-table', function () use ($b) {
    [$x, $y] = [connect(), connect()];
    $x->exec('CREATE TEMPORARY TABLE ' . TMP . ' (x INT)');
    $x->exec('INSERT INTO ' . TMP . ' VALUES (1), (2)');
    fails(1146, '42S02', fn () => query($y, 'SELECT * FROM ' . TMP));
    fails(1146, '42S02', fn () => query($b, 'SELECT * FROM ' . TMP));
    same(value($x, 'SELECT SUM(x) FROM ' . TMP), '3');
    $x->exec('DROP TEMPORARY TABLE ' . TMP);
    fails(1146, '42S02', fn () => query($x, 'SELECT * FROM ' . TMP));
});

check('user-lock', function () {
    $lock = LOCK;
    [$x, $y] = [connect(), connect()];
    same(value($x, "SELECT GET_LOCK('$lock', 5)"), 1);
    same(value($y, "SELECT GET_LOCK('$lock', 0)"), 0);
    same(value($x, "SELECT RELEASE_LOCK('$lock')"), 1);
    same(value($y, "SELECT GET_LOCK('$lock', 0)"), 1);
    $y = null;
    same(value($x, "SELECT GET_LOCK('$lock', 5)"), 1); // free since its holder has gone
});

check('diagnostics', function () use ($a) {
    $a->setAttribute(PDO::ATTR_EMULATE_PREPARES, true); // MySQL does not prepare SHOW WARNINGS, and the attempt shows in them
    $a->exec('UPDATE ' . ITEMS . ' SET n = 6 WHERE id = 1');
    same($a->query('SELECT ROW_COUNT()')->fetchAll(), [[1]]);
    $a->exec('INSERT IGNORE INTO ' . ITEMS . ' (id) VALUES (1)');
    same($a->query('SHOW WARNINGS')->fetchAll()[0][1], 1062);
    $a->query('SELECT id FROM ' . ITEMS . ' WHERE id IN (1, 2)')->fetchAll();
    same($a->query('SELECT FOUND_ROWS()')->fetchAll(), [[2]]);
    $a->setAttribute(PDO::ATTR_EMULATE_PREPARES, EMULATED);
});

check('error-duplicate', function () use ($a) {
    fails(1062, '23000', fn () => $a->exec('INSERT INTO ' . ITEMS . ' (id) VALUES (1)'));
    $a->beginTransaction();
    $a->exec('INSERT INTO ' . ITEMS . ' (id) VALUES (120)');
    fails(1062, '23000', fn () => $a->exec('INSERT INTO ' . ITEMS . ' (id) VALUES (1)'));
    same(counted($a, 120), 1);
    $a->rollBack();
    same(counted($a, 120), 0);
});

check('error-syntax', function () use ($a) {
    fails(1064, '42000', fn () => query($a, 'SELEKT 1'));
    same(value($a, 'SELECT 2'), 2);
});

check('wrong-password', function () {
    // PDO tells the errno of a refused login, but its SQLSTATE is always HY000.
    fails(1045, 'HY000', fn () => connect(password: 'not-' . PASSWORD));
    fails(1045, 'HY000', fn () => connect(password: ''));
});

check('unknown-database', fn () => fails(1049, 'HY000', fn () => connect(schema: SCHEMA . '_missing')));

check('statistics', function () use ($a) {
    same(str_starts_with((string) $a->getAttribute(PDO::ATTR_SERVER_INFO), 'Uptime'), true);
});

check('kill-and-reconnect', function () use ($a) {
    $victim = connect();
    $a->exec('KILL ' . value($victim, 'SELECT CONNECTION_ID()'));
    try {
        @$victim->query('SELECT 1');
        throw new Exception('a killed connection answered');
    } catch (PDOException $error) {
        same(in_array($error->errorInfo[1], [2006, 2013, 1927, 4031], true), true);
    }
    $victim = connect();
    $victim->exec('SET @mine = 1');
    $victim = null;
    $again = connect();
    same(query($again, 'SELECT 1, @mine, @@autocommit'), [[1, null, 1]]);
});

check('persistent', function () {
    // A persistent connection is handed from one PDO object to the next with a check that it is alive.
    $number = null;
    for ($round = 0; $round < 2; $round++) {
        $connection = new PDO('mysql:host=' . HOST . ';port=' . PORT . ';dbname=' . SCHEMA, USER, PASSWORD, [PDO::ATTR_PERSISTENT => true]);
        $id = (int) $connection->query('SELECT CONNECTION_ID()')->fetchColumn();
        same($id, $number ?? $id);
        $number = $id;
        $connection = null;
    }
});

check('latin1', function () use ($a) {
    $west = connect(charset: 'latin1');
    same(value($west, 'SELECT @@character_set_client'), 'latin1');
    query($west, 'INSERT INTO ' . ITEMS . ' (id, s) VALUES (201, ?)', [WESTERN_LATIN1]);
    for ($round = 0; $round < 3; $round++) {
        same(query($a, 'SELECT s, HEX(s) FROM ' . ITEMS . ' WHERE id = 201'), [[WESTERN, strtoupper(bin2hex(WESTERN))]]);
        same(query($west, 'SELECT s FROM ' . ITEMS . ' WHERE s = ?', [WESTERN_LATIN1]), [[WESTERN_LATIN1]]);
        same(query($a, 'SELECT s FROM ' . ITEMS . ' WHERE id = 200'), [[TEXT]]);
    }
});

foreach (DROP as $sql) {
    $a->exec($sql);
}
exit($failed ? 1 : 0);
