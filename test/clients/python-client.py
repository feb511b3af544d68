"""Conformance of PyMySQL and of mysqlclient (MySQLdb): python-client.py pymysql|mysqldb

MYBOUNCER_TEST_URL     mysql://user:password@host:port/schema
MYBOUNCER_TEST_PREFIX  of the tables this run makes (default conf_)
Prints "ok name" or "not ok name: why" for each check; exit code 1 when one failed.
"""

import datetime
import decimal
import hashlib
import os
import sys
import tempfile
from contextlib import contextmanager
from urllib.parse import unquote, urlparse

DRIVER = sys.argv[1]
if DRIVER == "pymysql":
    import pymysql as driver
    from pymysql.constants import CLIENT
else:
    import MySQLdb as driver
    from MySQLdb.constants import CLIENT

URL = urlparse(os.environ["MYBOUNCER_TEST_URL"])
PREFIX = os.environ.get("MYBOUNCER_TEST_PREFIX", "conf_")
SCHEMA = URL.path[1:]
ITEMS, IDS, BIG, FILE, TMP, PROC = (PREFIX + n for n in ("items", "ids", "big", "file", "tmp", "two"))
TEXT = "Žluťoučký kůň 日本語 🐬"
WESTERN = "Grüße café"
BLOB = bytes(range(256)) + b"\\'\"\0\n"
# 251 does not divide 2^24-1, so a byte lost or doubled where a 16 MiB packet ends changes the sum.
BIG_BYTES = bytes(range(251)) * 83557

failed = 0


def check(name, body):
    global failed
    try:
        body()
        print("ok " + name, flush=True)
    except Exception as error:  # reported, and the exit code says so
        failed += 1
        why = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(f"not ok {name}: {why} (line {error.__traceback__.tb_next.tb_lineno})", flush=True)


def same(got, want):
    if got != want:
        raise AssertionError(f"got {got!r:.300}, wanted {want!r:.300}")


def connect(**changed):
    options = dict(
        host=URL.hostname,
        port=URL.port or 3306,
        user=unquote(URL.username),
        password=unquote(URL.password or ""),
        database=SCHEMA,
        charset="utf8mb4",
        autocommit=True,
        local_infile=1,
        client_flag=CLIENT.MULTI_STATEMENTS | CLIENT.MULTI_RESULTS,
    )
    options.update(changed)
    return driver.connect(**options)


def query(connection, sql, args=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        return list(cursor.fetchall())


def value(connection, sql, args=None):
    return query(connection, sql, args)[0][0]


def fails(errno, body, *args):
    try:
        body(*args)
    except driver.Error as error:
        same(error.args[0], errno)
        return
    raise AssertionError(f"no error, wanted {errno}")


a = connect()
b = connect()


@contextmanager
def pair():
    """Two connections of a check's own: what it does keeps a server session for as long as the connection lives."""
    x, y = connect(), connect()
    try:
        yield x, y
    finally:
        x.close()
        y.close()


def check_connect():
    same(query(a, "SELECT 1, DATABASE()"), [(1, SCHEMA)])
    same(value(a, "SELECT @@character_set_client"), "utf8mb4")
    same(value(a, "SELECT CONNECTION_ID()"), a.thread_id())
    same(value(b, "SELECT CONNECTION_ID()"), b.thread_id())
    if a.thread_id() == b.thread_id():
        raise AssertionError("two connections have one id")


def check_text():
    with a.cursor() as cursor:
        rows = [
            (1, 2**62, "a'b\\c", BLOB, datetime.date(2024, 2, 29), decimal.Decimal("12.50000")),
            (2, -1, None, None, None, None),
            (3, 0, "", b"", datetime.date(1999, 12, 31), decimal.Decimal("-0.00001")),
        ]
        same(cursor.executemany(f"INSERT INTO {ITEMS} (id,n,s,b,d,c) VALUES (%s,%s,%s,%s,%s,%s)", rows), 3)
        cursor.execute(f"SELECT id,n,s,b,d,c FROM {ITEMS} ORDER BY id")
        same(list(cursor.fetchall()), rows)
        same([column[0] for column in cursor.description], ["id", "n", "s", "b", "d", "c"])
        same(cursor.execute(f"UPDATE {ITEMS} SET n = n + 1 WHERE id > %s", (1,)), 2)
        same(cursor.execute(f"DELETE FROM {ITEMS} WHERE id = 3"), 1)
        same(cursor.execute(f"SELECT id FROM {ITEMS} WHERE id = 77"), 0)
        same(list(cursor.fetchall()), [])
    same(query(b, f"SELECT id, n FROM {ITEMS} ORDER BY id"), [(1, 2**62), (2, 0)])


def check_unbuffered():
    cursor_class = driver.cursors.SSCursor
    cursor = a.cursor(cursor_class)
    cursor.execute("SELECT x.n*100+y.n*10+z.n FROM "
                   + ", ".join(f"(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 "
                               f"UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) {t}"
                               for t in "xyz"))
    same(sum(row[0] for row in cursor), 499500)
    cursor.close()


def check_text_prepare():
    with pair() as (x, y):
        query(x, f"PREPARE st FROM 'SELECT n + ? FROM {ITEMS} WHERE id = ?'")
        query(x, "SET @p = 5, @q = 2")
        same(value(x, "EXECUTE st USING @p, @q"), 5)
        fails(1243, query, y, "EXECUTE st USING @p, @q")
        query(x, "SET @p = 6")
        same(value(x, "EXECUTE st USING @p, @q"), 6)
        query(x, "DEALLOCATE PREPARE st")
        fails(1243, query, x, "EXECUTE st USING @p, @q")


def check_rollback():
    query(a, "START TRANSACTION")
    query(a, f"INSERT INTO {ITEMS} (id, n) VALUES (100, 1)")
    same(value(a, f"SELECT COUNT(*) FROM {ITEMS} WHERE id = 100"), 1)
    same(value(b, f"SELECT COUNT(*) FROM {ITEMS} WHERE id = 100"), 0)
    a.rollback()
    same(value(a, f"SELECT COUNT(*) FROM {ITEMS} WHERE id = 100"), 0)
    same(value(b, f"SELECT COUNT(*) FROM {ITEMS} WHERE id = 100"), 0)


def check_commit():
    a.begin() if DRIVER == "pymysql" else query(a, "BEGIN")
    query(a, f"INSERT INTO {ITEMS} (id, n) VALUES (101, 1)")
    query(a, "SAVEPOINT one")
    query(a, f"INSERT INTO {ITEMS} (id, n) VALUES (102, 1)")
    query(a, "ROLLBACK TO SAVEPOINT one")
    same(value(b, f"SELECT COUNT(*) FROM {ITEMS} WHERE id > 100"), 0)
    a.commit()
    for connection in (a, b):
        same(query(connection, f"SELECT id FROM {ITEMS} WHERE id > 100"), [(101,)])


def check_autocommit():
    a.autocommit(False)
    query(a, f"INSERT INTO {ITEMS} (id, n) VALUES (110, 1)")
    same(value(b, f"SELECT COUNT(*) FROM {ITEMS} WHERE id = 110"), 0)
    same((value(a, "SELECT @@autocommit"), value(b, "SELECT @@autocommit")), (0, 1))
    a.commit()
    same(value(b, f"SELECT COUNT(*) FROM {ITEMS} WHERE id = 110"), 1)
    query(a, f"DELETE FROM {ITEMS} WHERE id = 110")
    a.autocommit(True)
    same(value(b, f"SELECT COUNT(*) FROM {ITEMS} WHERE id = 110"), 0)
    same(value(a, "SELECT @@autocommit"), 1)


def results(cursor):
    found = [list(cursor.fetchall())]
    while cursor.nextset():
        found.append(list(cursor.fetchall()))
    return [rows for rows in found if rows]


def check_procedure():
    with pair() as (x, _), x.cursor() as cursor:
        cursor.callproc(PROC, (7,))  # passes its arguments in user variables
        same(results(cursor), [[(7, "first")], [(8,), (9,)]])
    with a.cursor() as cursor:
        cursor.execute(f"CALL {PROC}(1)")
        same(results(cursor), [[(1, "first")], [(2,), (3,)]])
    same(value(a, "SELECT 1"), 1)


def check_multi_statements():
    with a.cursor() as cursor:
        cursor.execute(f"SELECT 1; UPDATE {ITEMS} SET n = 5 WHERE id = 1; SELECT n, s FROM {ITEMS} WHERE id = 1")
        same(results(cursor), [[(1,)], [(5, "a'b\\c")]])
    with a.cursor() as cursor:
        cursor.execute("SELECT 2; SELECT * FROM no_such_table_here; SELECT 3")
        same(list(cursor.fetchall()), [(2,)])
        fails(1146, cursor.nextset)
    same(value(a, "SELECT 4"), 4)
    if DRIVER == "mysqldb":
        a.set_server_option(1)  # MYSQL_OPTION_MULTI_STATEMENTS_OFF
        fails(1064, query, a, "SELECT 1; SELECT 2")
        a.set_server_option(0)
        with a.cursor() as cursor:
            cursor.execute("SELECT 1; SELECT 2")
            same(results(cursor), [[(1,)], [(2,)]])


def check_local_infile():
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for i in range(1, 40001):
            file.write(f"{i}\trow-{i}-{'x' * 30}\n")
        file.flush()
        with a.cursor() as cursor:
            same(cursor.execute(f"LOAD DATA LOCAL INFILE '{file.name}' INTO TABLE {FILE} (id, txt)"), 40000)
    same(query(b, f"SELECT COUNT(*), SUM(id), SUM(txt = CONCAT('row-', id, '-', REPEAT('x', 30))) FROM {FILE}"),
         [(40000, 800020000, 40000)])


def check_big_row():
    with a.cursor() as cursor:
        same(cursor.execute(f"INSERT INTO {BIG} VALUES (1, %s)", (BIG_BYTES,)), 1)
    digest = hashlib.sha256(BIG_BYTES).hexdigest()
    same(query(a, f"SELECT LENGTH(b), SHA2(b, 256) FROM {BIG}"), [(len(BIG_BYTES), digest)])
    rows = query(a, f"SELECT id, b, 'after' FROM {BIG}")
    same((rows[0][0], hashlib.sha256(rows[0][1]).hexdigest(), rows[0][2]), (1, digest, "after"))
    same(value(a, "SELECT 1"), 1)


def check_utf8mb4():
    query(a, f"INSERT INTO {ITEMS} (id, s) VALUES (200, %s)", (TEXT,))
    with b.cursor() as cursor:
        cursor.execute(f"SELECT s AS `kůň`, HEX(s), CHAR_LENGTH(s) FROM {ITEMS} WHERE s = %s", (TEXT,))
        same(list(cursor.fetchall()), [(TEXT, TEXT.encode().hex().upper(), 19)])
        same(cursor.description[0][0], "kůň")


def check_latin1():
    connection = connect(charset="latin1")
    try:
        same(value(connection, "SELECT @@character_set_client"), "latin1")
        query(connection, f"INSERT INTO {ITEMS} (id, s) VALUES (201, %s)", (WESTERN,))
        for _ in range(3):
            same(query(a, f"SELECT s, HEX(s) FROM {ITEMS} WHERE id = 201"), [(WESTERN, WESTERN.encode().hex().upper())])
            same(query(connection, f"SELECT s FROM {ITEMS} WHERE s = %s", (WESTERN,)), [(WESTERN,)])
            same(query(a, f"SELECT s FROM {ITEMS} WHERE id = 200"), [(TEXT,)])
            same(value(connection, "SELECT HEX(%s)", (WESTERN,)), WESTERN.encode("latin1").hex().upper())
    finally:
        connection.close()


def insert_id(connection, cursor):
    return connection.insert_id() if DRIVER == "mysqldb" else cursor.lastrowid


def check_last_insert_id():
    with a.cursor() as cursor:
        cursor.execute(f"INSERT INTO {IDS} (v) VALUES ('a')")
        mine = insert_id(a, cursor)
    with b.cursor() as cursor:
        cursor.execute(f"INSERT INTO {IDS} (v) VALUES ('b'), ('c'), ('d')")
        theirs = insert_id(b, cursor)
        same((theirs, cursor.rowcount), (mine + 1, 3))
    query(a, "SELECT 1")
    query(b, "SELECT 1")
    same(value(a, "SELECT LAST_INSERT_ID()"), mine)
    same(value(b, "SELECT LAST_INSERT_ID()"), theirs)
    same(value(a, "SELECT LAST_INSERT_ID()"), mine)
    same(query(b, f"SELECT v FROM {IDS} WHERE id = LAST_INSERT_ID()"), [("b",)])


def check_session_state():
    mode, zone = query(a, "SELECT @@sql_mode, @@time_zone")[0]
    query(a, "SET time_zone = '+03:00'")
    query(a, "SET SESSION sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES')")
    for _ in range(2):
        same(query(a, f'SELECT "id", @@time_zone FROM {ITEMS} WHERE id = 1'), [(1, "+03:00")])
        same(query(b, f'SELECT "id", @@time_zone FROM {ITEMS} WHERE id = 1'), [("id", zone)])
    query(a, "SET @@session.sql_mode = %s, @@session.time_zone = %s", (mode, zone))
    same(query(a, 'SELECT "id", @@time_zone'), [("id", zone)])


def check_user_variable():
    with pair() as (x, y):
        for n in range(3):
            query(x, "SET @mine = %s", (n,))
            same((value(y, "SELECT @mine"), value(b, "SELECT @mine")), (None, None))
            same(value(x, "SELECT @mine + 1"), n + 1)


def check_temporary_table():
    with pair() as (x, y):
        query(x, f"CREATE TEMPORARY TABLE {TMP} (x INT)")
        query(x, f"INSERT INTO {TMP} VALUES (1), (2)")
        fails(1146, query, y, f"SELECT * FROM {TMP}")
        fails(1146, query, b, f"SELECT * FROM {TMP}")
        same(value(x, f"SELECT SUM(x) FROM {TMP}"), 3)
        query(x, f"DROP TEMPORARY TABLE {TMP}")
        fails(1146, query, x, f"SELECT * FROM {TMP}")


def check_user_lock():
    lock = PREFIX + "lock"
    with pair() as (x, y):
        same(value(x, "SELECT GET_LOCK(%s, 5)", (lock,)), 1)
        same(value(y, "SELECT GET_LOCK(%s, 0)", (lock,)), 0)
        same(value(y, "SELECT IS_USED_LOCK(%s)", (lock,)) is None, False)
        same(value(x, "SELECT RELEASE_LOCK(%s)", (lock,)), 1)
        same(value(y, "SELECT GET_LOCK(%s, 0)", (lock,)), 1)
    with pair() as (x, _):
        same(value(x, "SELECT GET_LOCK(%s, 5)", (lock,)), 1)  # free since its holder has gone


def check_diagnostics():
    query(a, f"UPDATE {ITEMS} SET n = 6 WHERE id = 1")
    same(value(a, "SELECT ROW_COUNT()"), 1)
    query(a, f"INSERT IGNORE INTO {ITEMS} (id, n) VALUES (1, 1)")
    same([row[1] for row in query(a, "SHOW WARNINGS")], [1062])
    query(a, f"SELECT id FROM {ITEMS} WHERE id IN (1, 2)")
    same(value(a, "SELECT FOUND_ROWS()"), 2)


def check_error_duplicate():
    fails(1062, query, a, f"INSERT INTO {ITEMS} (id) VALUES (1)")
    same(value(a, "SELECT 2"), 2)
    query(a, "BEGIN")
    query(a, f"INSERT INTO {ITEMS} (id) VALUES (120)")
    fails(1062, query, a, f"INSERT INTO {ITEMS} (id) VALUES (1)")
    same(value(a, f"SELECT COUNT(*) FROM {ITEMS} WHERE id = 120"), 1)
    a.rollback()
    same(value(a, f"SELECT COUNT(*) FROM {ITEMS} WHERE id = 120"), 0)


def check_error_syntax():
    fails(1064, query, a, "SELEKT 1")
    fails(1146, query, a, "SELECT * FROM no_such_table_here")
    same(value(a, "SELECT 2"), 2)


def check_wrong_password():
    fails(1045, lambda: connect(password="not-" + URL.password))
    fails(1045, lambda: connect(password=""))


def check_unknown_database():
    fails(1049, lambda: connect(database=SCHEMA + "_missing"))


def check_init_db():
    a.select_db("information_schema")
    same((value(a, "SELECT DATABASE()"), value(b, "SELECT DATABASE()")), ("information_schema", SCHEMA))
    fails(1049, a.select_db, SCHEMA + "_missing")
    query(a, f"USE {SCHEMA}")
    same(value(a, "SELECT DATABASE()"), SCHEMA)


def check_ping():
    a.ping(False) if DRIVER == "pymysql" else a.ping()
    if DRIVER == "mysqldb":
        if not a.stat().startswith("Uptime"):
            raise AssertionError(a.stat())
    same(value(a, "SELECT 1"), 1)


def check_change_user():
    query(a, "SET @mine = 1")
    query(a, "SET time_zone = '+04:00'")
    a.change_user(unquote(URL.username), unquote(URL.password), SCHEMA)
    same(query(a, "SELECT @mine, DATABASE()"), [(None, SCHEMA)])
    same(value(a, "SELECT @@time_zone"), value(b, "SELECT @@time_zone"))
    fails(1045, a.change_user, unquote(URL.username), "not-it", SCHEMA)


def check_kill_and_reconnect():
    victim = connect()
    number = victim.thread_id()
    if DRIVER == "pymysql" and "MariaDB" in a.get_server_info():
        a.kill(number)  # COM_PROCESS_KILL, which MySQL 9 no longer has
    else:
        query(a, f"KILL {number}")
    try:
        query(victim, "SELECT 1")
        raise AssertionError("a killed connection answered")
    except driver.OperationalError as error:
        if error.args[0] not in (2006, 2013, 1927, 4031):
            raise
    if DRIVER == "pymysql":
        victim.ping(reconnect=True)
    else:
        victim = connect()
    query(victim, "SET @mine = 1")
    victim.close()
    again = connect()
    same(query(again, "SELECT 1, @mine, @@autocommit"), [(1, None, 1)])
    again.close()


check("connect", check_connect)
query(a, f"DROP TABLE IF EXISTS {ITEMS}, {IDS}, {BIG}, {FILE}")
query(a, f"DROP PROCEDURE IF EXISTS {PROC}")
query(a, f"CREATE TABLE {ITEMS} (id INT PRIMARY KEY, n BIGINT, s VARCHAR(200), b BLOB, d DATE, "
         "dt DATETIME(6), f DOUBLE, c DECIMAL(20,5)) DEFAULT CHARSET utf8mb4")
query(a, f"CREATE TABLE {IDS} (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v VARCHAR(50))")
query(a, f"CREATE TABLE {BIG} (id INT PRIMARY KEY, b LONGBLOB)")
query(a, f"CREATE TABLE {FILE} (id INT PRIMARY KEY, txt VARCHAR(100))")
query(a, f"CREATE PROCEDURE {PROC}(n INT) BEGIN SELECT n, 'first'; SELECT n + 1 UNION ALL SELECT n + 2; END")
check("text", check_text)
check("unbuffered", check_unbuffered)
check("text-prepare", check_text_prepare)
check("rollback", check_rollback)
check("commit", check_commit)
check("autocommit", check_autocommit)
check("procedure", check_procedure)
check("multi-statements", check_multi_statements)
check("local-infile", check_local_infile)
check("big-row", check_big_row)
check("utf8mb4", check_utf8mb4)
check("last-insert-id", check_last_insert_id)
check("session-state", check_session_state)
check("user-variable", check_user_variable)
check("temporary-table", check_temporary_table)
check("user-lock", check_user_lock)
check("diagnostics", check_diagnostics)
check("error-duplicate", check_error_duplicate)
check("error-syntax", check_error_syntax)
check("ping", check_ping)
check("init-db", check_init_db)
check("wrong-password", check_wrong_password)
check("unknown-database", check_unknown_database)
check("kill-and-reconnect", check_kill_and_reconnect)
check("latin1", check_latin1)
if DRIVER == "mysqldb":
    check("change-user", check_change_user)  # leaves `a` unusable: the server ends it after a refused user
query(b, f"DROP TABLE {ITEMS}, {IDS}, {BIG}, {FILE}")
query(b, f"DROP PROCEDURE {PROC}")
b.close()
sys.exit(1 if failed else 0)
