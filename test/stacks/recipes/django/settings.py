# settings.py
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.mysql",
        "HOST": "127.0.0.1",  # not localhost, which is the server's own unix socket
        "PORT": "6033",
        "USER": "app",
        "PASSWORD": "secret",
        "NAME": "shop",
        "CONN_MAX_AGE": None,  # stays open: while it is idle, it costs the server nothing
        "CONN_HEALTH_CHECKS": True,  # Django 4.1; the proxy answers them
    }
}
