"""A process that opens a connection and forks, so that there are two who have it.

Usage: shared_sockets.py DRIVER MODE, with MYBOUNCER_TEST_URL. Prints what each of them got, as lines of JSON.
Waits for a line on its input where the other side has to have noticed something first.
"""

import importlib
import json
import os
import signal
import sys
import threading
from urllib.parse import urlsplit

driver = importlib.import_module(sys.argv[1])
mode = sys.argv[2]
url = urlsplit(os.environ["MYBOUNCER_TEST_URL"])
signal.alarm(60)


def connect():
    return driver.connect(
        host=url.hostname, port=url.port, user=url.username, password=url.password, database=url.path[1:]
    )


def value(connection, sql):
    cursor = connection.cursor()
    cursor.execute(sql)
    row = cursor.fetchone()
    return None if row is None else row[0]


def attempt(who, what, action):
    told = {"pid": os.getpid(), "who": who, "what": what}
    try:
        told["value"] = action()
    except driver.Error as error:
        told["errno"] = error.args[0]
        told["text"] = str(error.args[1]) if len(error.args) > 1 else ""
    print(json.dumps(told), flush=True)


def anew(who):
    attempt(who, "anew", lambda: value(connect(), "SELECT CONNECTION_ID() > 0"))


def told_to():
    sys.stdin.readline()


connection = connect()
if mode == "transaction":
    connection.begin()
attempt("parent", "before", lambda: value(connection, "SELECT 1"))
if mode == "forked_during":
    waiting = threading.Thread(
        target=lambda: attempt("parent", "shared", lambda: value(connection, "SELECT SLEEP(600)"))
    )
    waiting.start()
    told_to()
child = os.fork()
who = "parent" if child else "child"

if mode == "command":
    if not child:
        told_to()
    attempt(who, "shared", lambda: value(connection, "SELECT SLEEP(600)" if child else "SELECT 'of the child'"))
    anew(who)
elif mode == "quit":
    if not child:
        connection.close()
        os._exit(0)
    os.waitpid(child, 0)
    attempt(who, "ready", lambda: 1)
    told_to()
    attempt(who, "shared", lambda: value(connection, "SELECT 'lost'"))
    anew(who)
elif mode == "quit_during":
    if not child:
        told_to()
        connection.close()
        os._exit(0)
    attempt(who, "shared", lambda: value(connection, "SELECT SLEEP(600)"))
    anew(who)
elif mode == "forked_during":
    if child:
        waiting.join()
    else:
        attempt(who, "shared", lambda: value(connection, "SELECT 'of the child'"))
    anew(who)
elif mode == "ping":
    if not child:
        signal.pause()
    attempt(who, "shared", lambda: connection.ping(False))
    anew(who)
    os.kill(child, signal.SIGKILL)
elif mode == "insert":
    if not child:
        signal.pause()
    attempt(who, "shared", lambda: value(connection, "INSERT INTO kept VALUES('shared')"))
    anew(who)
    os.kill(child, signal.SIGKILL)
elif mode == "transaction":
    if not child:
        signal.pause()
    attempt(who, "inside", lambda: value(connection, "INSERT INTO kept VALUES('inside')"))
    attempt(who, "commit", connection.commit)
    attempt(who, "shared", lambda: value(connection, "INSERT INTO kept VALUES('behind')"))
    anew(who)
    os.kill(child, signal.SIGKILL)

if child:
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        pass
os._exit(0)
