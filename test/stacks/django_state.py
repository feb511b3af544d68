"""A Django app that keeps what it is told in one of several places, and takes locks of the database's."""

import os
import time

import redis
from django.core.cache import caches
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import JsonResponse
from django.urls import path

import django_project

django_project.configure(
    __name__,
    conn_max_age=None,
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "cache",
        },
        "memcached": {
            "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
            "LOCATION": os.environ["MYBOUNCER_TEST_MEMCACHED"],
        },
    },
)

memory = {}
server = redis.Redis.from_url(os.environ["MYBOUNCER_TEST_REDIS"])


def put_redis(key, value):
    server.set(key, value)


def get_redis(key):
    value = server.get(key)
    return None if value is None else value.decode()


PLACES = {
    "memory": (memory.__setitem__, memory.get),
    "database": (caches["default"].set, caches["default"].get),
    "memcached": (caches["memcached"].set, caches["memcached"].get),
    "redis": (put_redis, get_redis),
}


def answer(**more):
    return JsonResponse({"pid": os.getpid(), **more})


def prepare(request):
    call_command("createcachetable")
    return answer()


def put(request, place, key, value):
    PLACES[place][0](key, value)
    return answer()


def get(request, place, key):
    value = PLACES[place][1](key)
    # Long enough for the other requests to find the other workers.
    time.sleep(0.02)
    return answer(value=value)


def first_value(sql, name):
    with connection.cursor() as cursor:
        cursor.execute(sql, (name,))
        return cursor.fetchone()[0]


def lock(request, name):
    got = first_value("SELECT GET_LOCK(%s, 0)", name)
    time.sleep(0.02)
    return answer(got=got)


def unlock(request, name):
    return answer(released=first_value("SELECT RELEASE_LOCK(%s)", name))


urlpatterns = [
    path("prepare", prepare),
    path("put/<str:place>/<str:key>/<str:value>", put),
    path("get/<str:place>/<str:key>", get),
    path("lock/<str:name>", lock),
    path("unlock/<str:name>", unlock),
]
application = get_wsgi_application()
