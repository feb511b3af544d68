<?php
// What the PHP scripts share: the address, the values, and the check lines.
declare(strict_types=1);

ini_set('memory_limit', '-1');

$url = parse_url((string) getenv('MYBOUNCER_TEST_URL'));
define('HOST', $url['host']);
define('PORT', $url['port'] ?? 3306);
define('USER', urldecode($url['user']));
define('PASSWORD', urldecode($url['pass'] ?? ''));
define('SCHEMA', ltrim($url['path'], '/'));
$prefix = getenv('MYBOUNCER_TEST_PREFIX') ?: 'conf_';
foreach (['items', 'ids', 'big', 'file', 'tmp', 'two', 'lock'] as $name) {
    define(strtoupper($name), $prefix . $name);
}

const TEXT = 'Žluťoučký kůň 日本語 🐬';
const WESTERN = 'Grüße café';
const WESTERN_LATIN1 = "Gr\xFC\xDFe caf\xE9";
define('BLOB', implode('', array_map('chr', range(0, 255))) . "\\'\"\0\n");
// 251 does not divide 2^24-1, so a byte lost or doubled where a 16 MiB packet ends changes the sum.
define('BIG_BYTES', str_repeat(substr(BLOB, 0, 251), 83557));
define('BIG_SUM', hash('sha256', BIG_BYTES));

$failed = 0;

function check(string $name, callable $body): void
{
    global $failed;
    try {
        $body();
        echo "ok $name\n";
    } catch (Throwable $error) {
        $failed++;
        $why = str_replace("\n", ' ', get_class($error) . ': ' . $error->getMessage());
        $trace = array_filter($error->getTrace(), fn ($frame) => isset($frame['line']));
        $lines = implode(' < ', array_map(fn ($frame) => (string) $frame['line'], array_slice($trace, 0, 3)));
        echo "not ok $name: $why (line {$error->getLine()} < $lines)\n";
    }
}

function show(mixed $value): string
{
    return substr(var_export($value, true), 0, 300);
}

function same(mixed $got, mixed $want): void
{
    if ($got !== $want) {
        throw new Exception('got ' . show($got) . ', wanted ' . show($want));
    }
}

/** The rows of a file of more than 1 MiB for LOAD DATA LOCAL INFILE. */
function infile(): string
{
    $path = tempnam(sys_get_temp_dir(), 'mybouncer-infile-');
    $file = fopen($path, 'w');
    for ($i = 1; $i <= 40000; $i++) {
        fwrite($file, "$i\trow-$i-" . str_repeat('x', 30) . "\n");
    }
    fclose($file);
    return $path;
}

const CREATE = [
    'DROP TABLE IF EXISTS ' . ITEMS . ', ' . IDS . ', ' . BIG . ', ' . FILE,
    'DROP PROCEDURE IF EXISTS ' . TWO,
    'CREATE TABLE ' . ITEMS . ' (id INT PRIMARY KEY, n BIGINT, s VARCHAR(200), b BLOB, d DATE, dt DATETIME(6), '
        . 'f DOUBLE, c DECIMAL(20,5)) DEFAULT CHARSET utf8mb4',
    'CREATE TABLE ' . IDS . ' (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50))',
    'CREATE TABLE ' . BIG . ' (id INT PRIMARY KEY, b LONGBLOB)',
    'CREATE TABLE ' . FILE . ' (id INT PRIMARY KEY, txt VARCHAR(100))',
    'CREATE PROCEDURE ' . TWO . "(n INT) BEGIN SELECT n, 'first'; SELECT n + 1 UNION ALL SELECT n + 2; END",
];
const DROP = [
    'DROP TABLE ' . ITEMS . ', ' . IDS . ', ' . BIG . ', ' . FILE,
    'DROP PROCEDURE ' . TWO,
];
