"""A Django app whose workers keep their connections: a plain read, a write, and a transaction of two writes."""

import os
import time

from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction
from django.db.backends.signals import connection_created
from django.http import JsonResponse
from django.urls import path

import django_project

django_project.configure(__name__, conn_max_age=None)

opened = 0


def count(sender, **more):
    global opened
    opened += 1


connection_created.connect(count)


def query(sql, values=()):
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def insert(client, n, part):
    query("INSERT INTO work VALUES (%s, %s, %s)", (client, n, part))


def answer():
    return JsonResponse({"pid": os.getpid(), "opened": opened})


def read(request, client, n):
    (row,) = query("SELECT v FROM kept WHERE id = 1")
    if row != (7,):
        raise AssertionError(f"a wrong row: {row}")
    return answer()


def write(request, client, n):
    insert(client, n, 1)
    return answer()


def both(request, client, n):
    with transaction.atomic():
        insert(client, n, 1)
        time.sleep(0.005)
        insert(client, n, 2)
    return answer()


urlpatterns = [
    path("read/<str:client>/<int:n>", read),
    path("write/<str:client>/<int:n>", write),
    path("transaction/<str:client>/<int:n>", both),
]
application = get_wsgi_application()
