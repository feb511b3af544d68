"""A visit counter: each request is one short transaction. Every thread keeps a connection of its own, opened when it is first used."""

import os
import threading

import pymysql
from flask import Flask, jsonify

app = Flask(__name__)
local = threading.local()


def read_password():
    with open(os.environ["DATABASE_PASSWORD_FILE"], encoding="utf-8") as file:
        return file.readline().rstrip("\n")


def connection():
    if getattr(local, "connection", None) is None:
        local.connection = pymysql.connect(
            host=os.environ["DATABASE_HOST"],
            port=int(os.environ["DATABASE_PORT"]),
            user=os.environ["DATABASE_USER"],
            password=read_password(),
            database=os.environ["DATABASE_NAME"],
        )
        with local.connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS visit (id INT PRIMARY KEY, count BIGINT NOT NULL)")
    # The proxy answers it; it opens the connection again where that is gone.
    local.connection.ping(reconnect=True)
    return local.connection


@app.get("/")
def visit():
    db = connection()
    with db.cursor() as cursor:
        cursor.execute("INSERT INTO visit VALUES (1, 1) ON DUPLICATE KEY UPDATE count = count + 1")
        cursor.execute("SELECT count FROM visit WHERE id = 1")
        (count,) = cursor.fetchone()
    db.commit()
    return jsonify(visits=count, worker=os.getpid())
