# celery_app.py
from celery import Celery
from celery.signals import worker_init

from db import engine

app = Celery("shop", include=["tasks"])
app.conf.task_time_limit = 300  # kills the process that runs the task; the proxy ends its statement


@worker_init.connect
def before_fork(**_):
    engine.dispose()
