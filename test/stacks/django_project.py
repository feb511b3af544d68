"""What the Django apps here have in common: the settings of a new project, for a database from MYBOUNCER_TEST_URL."""

import os
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import JsonResponse


MIDDLEWARE = ("django_project.named_statements", "django_project.answered_errors")


def configure(urlconf, conn_max_age, middleware=MIDDLEWARE, **more):
    url = urlsplit(os.environ["MYBOUNCER_TEST_URL"])
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        SECRET_KEY="for tests only",
        ROOT_URLCONF=urlconf,
        USE_TZ=True,
        MIDDLEWARE=list(middleware),
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.mysql",
                "HOST": url.hostname,
                "PORT": str(url.port),
                "USER": url.username,
                "PASSWORD": url.password,
                "NAME": url.path[1:],
                "CONN_MAX_AGE": conn_max_age,
            }
        },
        **more,
    )
    django.setup()


def named_statements(get_response):
    """Each statement says whose it is, so that the server's process list shows which of them nobody waits for."""

    def middleware(request):
        name = f"worker {os.getpid()} request {int(request.headers.get('X-Request-Number', 0))}"

        def named(execute, sql, params, many, context):
            return execute(f"{sql} /* {name} */", params, many, context)

        with connection.execute_wrapper(named):
            return get_response(request)

    return middleware


def answered_errors(get_response):
    """The number of a database's error, as an answer."""

    def process_exception(request, error):
        if not isinstance(error, DatabaseError):
            return None
        return JsonResponse({"errno": error.args[0], "text": str(error)}, status=503)

    def middleware(request):
        return get_response(request)

    middleware.process_exception = process_exception
    return middleware
