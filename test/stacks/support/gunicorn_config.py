"""What the apps here want of gunicorn."""

import importlib
import os


def post_fork(server, worker):
    # MODULE:FUNCTION, for apps with something to do in each worker.
    hook = os.environ.get("MYBOUNCER_TEST_POST_FORK")
    if hook:
        module, function = hook.split(":")
        getattr(importlib.import_module(module), function)()
