"""Ends gunicorn when the test that started it has gone, however it went: then the other end of its input closes."""

import importlib
import os
import signal
import threading


def _watch():
    # Not sys.stdin: workers are forked while this waits, and would find it locked.
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def on_starting(server):
    threading.Thread(target=_watch, daemon=True).start()


def post_fork(server, worker):
    # MODULE:FUNCTION, for apps with something to do in each worker.
    hook = os.environ.get("MYBOUNCER_TEST_POST_FORK")
    if hook:
        module, function = hook.split(":")
        getattr(importlib.import_module(module), function)()
