<?php // mysqli.php
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$mysqli = new mysqli('127.0.0.1', 'app', 'secret', 'shop', 6033);
$mysqli->set_charset('utf8mb4');
