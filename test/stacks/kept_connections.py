"""Clients as an app server's workers are: each has one connection that it keeps, and opens another one only when it is gone.

Reads a plan from the first line of its input, then words: "go" is answered when each client has had a success since, "pause"
when all are at rest, "report" with what each has met since the last one. It ends with its input.
"""

import json
import sys
import threading
import time
from urllib.parse import urlsplit

import pymysql

plan = json.loads(sys.stdin.readline())
url = urlsplit(plan["url"])
stopping = threading.Event()
going = threading.Event()


class Client(threading.Thread):
    def __init__(self, kind, number):
        super().__init__(daemon=True)
        self.kind = kind
        self.client = f"{plan['name']}-{kind}-{number}"
        self.connection = None
        self.at_rest = threading.Event()
        self.reset()

    def reset(self):
        self.connects = 0
        self.succeeded_at = []
        self.failures = []
        self.succeeded = threading.Event()

    def connected(self):
        if self.connection is None or not self.connection.open:
            self.connection = None
            self.connects += 1
            self.connection = pymysql.connect(
                host=url.hostname,
                port=url.port,
                user=url.username,
                password=url.password,
                database=url.path[1:],
                autocommit=True,
                connect_timeout=10,
            )
        return self.connection

    def query(self, sql, values=()):
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()

    def read(self, n):
        (row,) = self.query("SELECT v FROM kept WHERE id = 1")
        if row != (7,):
            raise AssertionError(f"a wrong row: {row}")

    def write(self, n):
        self.query("INSERT INTO work VALUES (%s, %s, 1)", (self.client, n))

    def transaction(self, n):
        self.connection.begin()
        self.query("INSERT INTO work VALUES (%s, %s, 1)", (self.client, n))
        time.sleep(plan["pauseMs"] / 1000)
        self.query("INSERT INTO work VALUES (%s, %s, 2)", (self.client, n))
        self.connection.commit()

    def once(self, n):
        try:
            self.connected()
            getattr(self, self.kind)(n)
        except pymysql.err.MySQLError as error:
            self.failed(n, error)
            if self.kind == "transaction" and self.connection is not None and self.connection.open:
                try:
                    self.connection.rollback()
                except pymysql.err.MySQLError as error:
                    self.failed(n, error)
            return False
        self.succeeded_at.append(time.time() * 1000)
        self.succeeded.set()
        return True

    def failed(self, n, error):
        errno, message = (list(error.args) + [0, ""])[:2]
        self.failures.append({"n": n, "errno": errno, "message": str(message)})

    def run(self):
        n = 0
        while not stopping.is_set():
            if not going.is_set():
                self.at_rest.set()
                going.wait()
                self.at_rest.clear()
                continue
            done = self.once(n)
            n += 1
            time.sleep(plan["pauseMs" if done else "afterFailureMs"] / 1000)

    def report(self):
        met = {
            "client": self.client,
            "kind": self.kind,
            "succeededAt": self.succeeded_at,
            "failures": self.failures,
            "connects": self.connects,
        }
        self.reset()
        return met


clients = [Client(kind, i) for kind, count in plan["clients"].items() for i in range(count)]
for client in clients:
    client.start()
for word in map(str.strip, sys.stdin):
    answer = None
    if word == "go":
        for client in clients:
            client.succeeded.clear()
        going.set()
        # Whoever fails goes on trying.
        for client in clients:
            client.succeeded.wait()
    elif word == "pause":
        going.clear()
        for client in clients:
            client.at_rest.wait()
    elif word == "report":
        answer = [client.report() for client in clients]
    print(json.dumps(answer), flush=True)
stopping.set()
going.set()
for client in clients:
    client.join()
