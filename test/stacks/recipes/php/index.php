<?php
// A small shop, for items with an odd number through PDO, for the others through mysqli. Whatever goes wrong is a 500.
set_exception_handler(function (Throwable $error): void {
    http_response_code(500);
    echo $error->getMessage();
});

[, $action, $id] = explode('/', $_SERVER['DOCUMENT_URI']);
$id = (int) $id;
require $id % 2 === 1 ? 'pdo.php' : 'mysqli.php';

/** @return array<string, mixed>|null the first row */
function run(string $sql, array $values = []): ?array
{
    global $pdo, $mysqli;
    $statement = ($pdo ?? $mysqli)->prepare($sql);
    $statement->execute($values);
    if (isset($pdo)) return $statement->columnCount() === 0 ? null : $statement->fetch(PDO::FETCH_ASSOC);
    $result = $statement->get_result();
    return $result === false ? null : $result->fetch_assoc();
}

function take(int $id): void
{
    run('UPDATE items SET stock = stock - 1 WHERE id = ?', [$id]);
    run('INSERT INTO orders (item) VALUES (?)', [$id]);
}

function in_transaction(callable $do): void
{
    global $pdo, $mysqli;
    isset($pdo) ? $pdo->beginTransaction() : $mysqli->begin_transaction();
    $do();
    ($pdo ?? $mysqli)->commit();
}

$answer = ['pid' => getmypid()];
switch ($action) {
    case 'item':
        $answer += run('SELECT id, name, (SELECT COUNT(*) FROM items) AS `of` FROM items WHERE id = ?', [$id]);
        break;
    case 'buy':
        in_transaction(fn () => take($id));
        break;
    case 'lock': // and does not release it
        run("SELECT GET_LOCK('shop', 0)");
        break;
    case 'slow': // whoever runs it is killed
        in_transaction(function () use ($id): void {
            take($id);
            run('SELECT SLEEP(60) /* worker ' . getmypid() . ' request 0 */');
        });
        break;
}
header('Content-Type: application/json');
echo json_encode($answer);
