"""A Django app of one file: the settings that a project starts with, and a database from MYBOUNCER_TEST_URL."""

import os
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.http import JsonResponse
from django.urls import path

url = urlsplit(os.environ["MYBOUNCER_TEST_URL"])

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY="for tests only",
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.mysql",
            "HOST": url.hostname,
            "PORT": str(url.port),
            "USER": url.username,
            "PASSWORD": url.password,
            "NAME": url.path[1:],
            "CONN_MAX_AGE": 0,
        }
    },
)
django.setup()


class Book(models.Model):
    title = models.CharField(max_length=100)

    class Meta:
        app_label = "shop"
        db_table = "book"


def book(request, pk):
    return JsonResponse({"title": Book.objects.get(pk=pk).title})


def slow(request):
    """Keeps its worker and a server session busy for a moment, and says who it was."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT SLEEP(0.5)")
    return JsonResponse({"pid": os.getpid()})


urlpatterns = [path("book/<int:pk>", book), path("slow", slow)]
application = get_wsgi_application()
