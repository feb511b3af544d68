"""Ends gunicorn when the test that started it has gone, however it went: then the other end of its input closes."""

import os
import signal
import threading


def _watch():
    # Not sys.stdin: workers are forked while this waits, and would find it locked.
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


def on_starting(server):
    threading.Thread(target=_watch, daemon=True).start()
