"""A small shop; what it looks up while it is loaded, it looks up before the worker's processes are forked."""

import os

from sqlalchemy import text

from celery_app import app
from db import engine

with engine.connect() as connection:
    ITEMS = connection.scalar(text("SELECT COUNT(*) FROM items"))


def take(connection, pk):
    connection.execute(text("UPDATE items SET stock = stock - 1 WHERE id = :id"), {"id": pk})
    connection.execute(text("INSERT INTO orders (item) VALUES (:id)"), {"id": pk})


@app.task
def item(pk):
    with engine.connect() as connection:
        row = connection.execute(text("SELECT id, name FROM items WHERE id = :id"), {"id": pk}).one()
    return {"id": row.id, "name": row.name, "of": ITEMS, "pid": os.getpid()}


@app.task
def buy(pk):
    with engine.begin() as connection:
        take(connection, pk)
    return {"pid": os.getpid()}


@app.task
def slow(pk):
    """Whoever runs it is killed."""
    with engine.begin() as connection:
        take(connection, pk)
        connection.execute(text(f"SELECT SLEEP(60) /* worker {os.getpid()} request 0 */"))
    return {"pid": os.getpid()}
