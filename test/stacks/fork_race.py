"""Processes that share one connection because they were forked after it was opened, with every order of events that matters.

MYBOUNCER_TEST_URL: the database. Arguments: DRIVER MODE ROUNDS TIMEOUT, the last in seconds: after it, a reply that another
process has read is given up. Prints what became of the statements as one line of JSON.

at_once      two children ask as soon as they live; the connection was used just before
idle         the same after a pause
with_parent  one child and the process that has opened the connection ask at the same time, the parent without a pause
grandchild   the child forks as well, and only the grandchildren ask
orphans      the process that has opened the connection ends first
transaction  two children ask within a transaction that was begun before the fork
from_thread  the children are forked by another thread than the main one
bystander    the child has the connection and never uses it: only the process that has opened it asks
subprocess   nothing is shared: the process runs other programs while it asks, and each has the socket until its exec
"""

import importlib
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

URL = urlsplit(os.environ["MYBOUNCER_TEST_URL"])
DRIVER, MODE, ROUNDS, TIMEOUT = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
# Once, before all rounds are forked: it takes longer than a round.
driver = importlib.import_module({"pymysql": "pymysql", "mysqldb": "MySQLdb"}[DRIVER])
STATEMENTS = 10
ROWS = 1000
# A connection whose last reference goes says goodbye to the server, for every process that has it.
kept = []


def connect():
    return driver.connect(
        host=URL.hostname,
        port=URL.port,
        user=URL.username,
        password=URL.password,
        database=URL.path[1:],
        read_timeout=TIMEOUT,
        autocommit=True,
    )


def ask(connection, pk):
    """One statement; what it was good for."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, title FROM item WHERE id = %s", (pk,))
        row = cursor.fetchone()
    if row is None:
        return "empty"
    return "right" if row == (pk, f"the title of {pk}") else "wrong"


def work(connection, report, pause=0):
    """What every process does. Who gets an error opens a connection of its own, as pools do."""
    counts = Counter()
    for _ in range(STATEMENTS):
        time.sleep(pause)
        try:
            counts[ask(connection, random.randint(1, ROWS))] += 1
        except Exception as error:
            counts["failed"] += 1
            counts["text " + " ".join(f"{type(error).__name__}: {error}".split())] += 1
            connection = connect()
    # A process with more than one failure: the second connection was its own.
    counts["processes"] += 1
    counts["failed twice"] += counts["failed"] > 1
    os.write(report, (json.dumps(counts) + "\n").encode())


def fork(task):
    pid = os.fork()
    if pid == 0:
        try:
            task()
        finally:
            # No destructor runs: nobody says goodbye on a socket that others use.
            os._exit(0)
    return pid


def opened():
    connection = connect()
    kept.append(connection)
    ask(connection, 1)
    return connection


def children(connection, report):
    for pid in [fork(lambda: work(connection, report)) for _ in range(2)]:
        os.waitpid(pid, 0)


def orphan(report, parent):
    """Its connection is its own again once whoever opened it has gone."""
    connection, opener = parent
    while os.getppid() == opener:
        time.sleep(0.001)
    work(connection, report)


def run_programs(ended):
    while not ended.is_set():
        # The descriptor is closed by the exec alone.
        subprocess.run(["true"], close_fds=False)


def bystander(connection, report):
    reader, writer = os.pipe()
    pid = fork(lambda: (os.close(writer), os.read(reader, 1)))
    time.sleep(0.1)
    work(connection, report)
    os.close(writer)
    os.waitpid(pid, 0)


def with_programs(connection, report):
    ended = threading.Event()
    thread = threading.Thread(target=run_programs, args=(ended,))
    thread.start()
    work(connection, report, pause=0.02)
    ended.set()
    thread.join()


def round_of(report):
    connection = opened()
    if MODE == "idle":
        time.sleep(0.3)
    if MODE == "transaction":
        connection.begin()
        ask(connection, 1)
    if MODE == "with_parent":
        pid = fork(lambda: work(connection, report))
        work(connection, report)
        os.waitpid(pid, 0)
    elif MODE == "grandchild":
        os.waitpid(fork(lambda: children(connection, report)), 0)
    elif MODE == "from_thread":
        thread = threading.Thread(target=children, args=(connection, report))
        thread.start()
        thread.join()
    elif MODE == "bystander":
        bystander(connection, report)
    elif MODE == "subprocess":
        with_programs(connection, report)
    elif MODE == "orphans":
        me = os.getpid()
        for _ in range(2):
            fork(lambda: orphan(report, (connection, me)))
    else:
        children(connection, report)


def main():
    total = Counter()
    for _ in range(ROUNDS):
        reader, report = os.pipe()
        # A process for each round, so that no round inherits from another.
        pid = fork(lambda: round_of(report))
        os.close(report)
        with os.fdopen(reader) as lines:
            # It ends when the last process that could write has gone.
            for line in lines:
                total.update(json.loads(line))
        os.waitpid(pid, 0)
    print(json.dumps(total))


main()
