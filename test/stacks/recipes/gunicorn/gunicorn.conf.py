# gunicorn.conf.py
workers = 4
worker_class = "gthread"
threads = 4
preload_app = True  # without it, pre_fork may go: nothing is loaded before the fork


def pre_fork(server, worker):
    from db import engine

    engine.dispose()
