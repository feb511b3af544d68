"""A Django app as a project starts with: nothing of it stands between a request and its view."""

import os

from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.http import JsonResponse
from django.urls import path

import django_project

django_project.configure(__name__, conn_max_age=0, middleware=())


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
