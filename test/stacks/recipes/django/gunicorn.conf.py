# gunicorn.conf.py
workers = 4
worker_class = "gthread"
threads = 4
preload_app = True  # without it, pre_fork may go


def pre_fork(server, worker):
    from django.db import connections

    connections.close_all()
