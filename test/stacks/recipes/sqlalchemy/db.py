# db.py
from sqlalchemy import create_engine

engine = create_engine(
    "mysql+mysqldb://app:secret@127.0.0.1:6033/shop?charset=utf8mb4",
    pool_size=4,  # as many as the worker has threads
    max_overflow=0,
    pool_pre_ping=True,  # the proxy answers it
)
