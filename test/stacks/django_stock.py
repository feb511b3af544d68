"""A Django app that sells from stock: one short transaction with a row lock a request."""

import os

from django.core.wsgi import get_wsgi_application
from django.db import models, transaction
from django.http import JsonResponse
from django.urls import path

import django_project

# Each thread keeps its connection, as is usual under load.
django_project.configure(__name__, conn_max_age=None)


class Stock(models.Model):
    sold = models.IntegerField()

    class Meta:
        app_label = "shop"
        db_table = "stock"


class Sale(models.Model):
    stock = models.ForeignKey(Stock, models.DO_NOTHING)
    number = models.IntegerField()

    class Meta:
        app_label = "shop"
        db_table = "sale"


def pid(request):
    """Without the database."""
    return JsonResponse({"pid": os.getpid()})


def sell(request, pk, number):
    with transaction.atomic():
        stock = Stock.objects.select_for_update().get(pk=pk)
        stock.sold += 1
        stock.save()
        Sale.objects.create(stock=stock, number=number)
    return pid(request)


def hold(request, pk, other):
    """Locks one row, then waits for another one."""
    with transaction.atomic():
        Stock.objects.select_for_update().get(pk=pk)
        Stock.objects.select_for_update().get(pk=other)
    return pid(request)


urlpatterns = [
    path("pid", pid),
    path("sell/<int:pk>/<int:number>", sell),
    path("hold/<int:pk>/<int:other>", hold),
]
application = get_wsgi_application()
