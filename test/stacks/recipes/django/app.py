"""A small shop; what it looks up while it is loaded, it looks up before gunicorn's workers are forked."""

import os

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, models, transaction
from django.http import JsonResponse
from django.urls import path

import settings as shop

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY="for tests only",
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES=shop.DATABASES,
)
django.setup()


class Item(models.Model):
    name = models.CharField(max_length=40)
    stock = models.IntegerField()

    class Meta:
        app_label = "shop"
        db_table = "items"


class Order(models.Model):
    item = models.IntegerField()

    class Meta:
        app_label = "shop"
        db_table = "orders"


ITEMS = Item.objects.count()


def item(request, pk):
    found = Item.objects.get(pk=pk)
    return JsonResponse({"id": found.id, "name": found.name, "of": ITEMS, "pid": os.getpid()})


def take(pk):
    Item.objects.filter(pk=pk).update(stock=models.F("stock") - 1)
    Order.objects.create(item=pk)


@transaction.atomic
def buy(request, pk):
    take(pk)
    return JsonResponse({"pid": os.getpid()})


@transaction.atomic
def slow(request, pk):
    """Whoever runs it is killed."""
    take(pk)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT SLEEP(60) /* worker {os.getpid()} request 0 */")
    return JsonResponse({"pid": os.getpid()})


urlpatterns = [path("item/<int:pk>", item), path("buy/<int:pk>", buy), path("slow/<int:pk>", slow)]
app = get_wsgi_application()
