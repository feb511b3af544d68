<?php // pdo.php
$pdo = new PDO('mysql:host=127.0.0.1;port=6033;dbname=shop;charset=utf8mb4', 'app', 'secret', [
    PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
    PDO::ATTR_PERSISTENT => false,
    PDO::ATTR_EMULATE_PREPARES => false,
]);
