"""A small shop; what it looks up while it is loaded, it looks up before gunicorn's workers are forked."""

import os

from flask import Flask, jsonify
from sqlalchemy import text

from db import engine

try:
    import uwsgi
except ImportError:
    uwsgi = None  # another server runs this

with engine.connect() as connection:
    ITEMS = connection.scalar(text("SELECT COUNT(*) FROM items"))

app = Flask(__name__)

TAKE = text("UPDATE items SET stock = stock - 1 WHERE id = :id")
ORDER = text("INSERT INTO orders (item) VALUES (:id)")


@app.get("/item/<int:pk>")
def item(pk):
    with engine.connect() as connection:
        row = connection.execute(text("SELECT id, name FROM items WHERE id = :id"), {"id": pk}).one()
    return jsonify(id=row.id, name=row.name, of=ITEMS, pid=os.getpid())


@app.post("/buy/<int:pk>")
def buy(pk):
    with engine.begin() as connection:
        connection.execute(TAKE, {"id": pk})
        connection.execute(ORDER, {"id": pk})
    return jsonify(pid=os.getpid())


@app.post("/slow/<int:pk>")
def slow(pk):
    """Whoever runs it is killed."""
    if uwsgi is not None:
        uwsgi.set_user_harakiri(1)
    with engine.begin() as connection:
        connection.execute(TAKE, {"id": pk})
        connection.execute(ORDER, {"id": pk})
        connection.execute(text(f"SELECT SLEEP(60) /* worker {os.getpid()} request 0 */"))
    return jsonify(pid=os.getpid())
