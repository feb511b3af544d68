"""A Django app that makes a row where there is none yet, by three views that differ in what keeps it at one."""

import os

from django.core.wsgi import get_wsgi_application
from django.db import models
from django.http import JsonResponse
from django.urls import path

import django_project

django_project.configure(__name__, conn_max_age=0)


class Tag(models.Model):
    name = models.CharField(max_length=100)

    class Meta:
        app_label = "blog"
        db_table = "tag"


class UniqueTag(models.Model):
    name = models.CharField(max_length=100, unique=True)

    class Meta:
        app_label = "blog"
        db_table = "unique_tag"


def get_or_create(request, name):
    """In Django's own way: the INSERT is in a transaction."""
    tag, created = Tag.objects.get_or_create(name=name)
    return answer(tag, created)


def get_or_save(request, name):
    """The same by hand: the INSERT commits by itself."""
    try:
        return answer(Tag.objects.get(name=name), False)
    except Tag.DoesNotExist:
        tag = Tag(name=name)
        tag.save()
        return answer(tag, True)


def get_or_create_unique(request, name):
    tag, created = UniqueTag.objects.get_or_create(name=name)
    return answer(tag, created)


def answer(tag, created):
    return JsonResponse({"id": tag.pk, "created": created, "pid": os.getpid()})


urlpatterns = [
    path("get_or_create/<name>", get_or_create),
    path("get_or_save/<name>", get_or_save),
    path("get_or_create_unique/<name>", get_or_create_unique),
]
application = get_wsgi_application()
