"""A Flask app whose database engine is made and used while it is imported, as ``gunicorn --preload`` shares it out.

MYBOUNCER_TEST_URL      the database
MYBOUNCER_TEST_DRIVER   mysqldb | pymysql
MYBOUNCER_TEST_PRE_PING 1: the pool asks whether a connection is alive before it lends it
MYBOUNCER_TEST_SHARED   how many connections are in the pool when the workers are forked
"""

import os

from flask import Flask, jsonify
from sqlalchemy import Column, Integer, String, create_engine, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, declarative_base

engine = create_engine(
    make_url(os.environ["MYBOUNCER_TEST_URL"]).set(
        drivername="mysql+" + os.environ["MYBOUNCER_TEST_DRIVER"]
    ),
    pool_pre_ping=os.environ["MYBOUNCER_TEST_PRE_PING"] == "1",
)


class Item(declarative_base()):
    __tablename__ = "item"
    id = Column(Integer, primary_key=True)
    title = Column(String(40), nullable=False)


def count_items():
    """What apps do at import: they look at their database, and their pool keeps the connections."""
    sessions = [Session(engine) for _ in range(int(os.environ["MYBOUNCER_TEST_SHARED"]))]
    counts = [session.scalar(select(func.count(Item.id))) for session in sessions]
    for session in sessions:
        session.close()
    return counts[0]


items = count_items()
app = Flask(__name__)


def forget_connections():
    """The remedy: to be called in each worker after the fork."""
    engine.dispose(close=False)


@app.get("/items")
def number():
    return jsonify(items=items, pid=os.getpid())


@app.get("/item/<int:pk>")
def item(pk):
    with Session(engine) as session:
        found = session.get(Item, pk)
        if found is None:
            return jsonify(id=None, title=None, pid=os.getpid())
        return jsonify(id=found.id, title=found.title, pid=os.getpid())


@app.errorhandler(Exception)
def failed(error):
    text = " ".join(str(error).split())
    return jsonify(error=type(error).__name__, text=text[:300], pid=os.getpid()), 500
