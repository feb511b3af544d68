"""Tasks over HTTP, and the worker that runs them: `front.py PORT COMMAND...`. A task that fails is a 500."""

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from celery_app import app


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        _, action, pk = self.path.split("/")
        try:
            status, answer = 200, app.send_task(f"tasks.{action}", [int(pk)]).get(timeout=60, interval=0.01)
        except Exception as error:  # whatever the task has raised
            status, answer = 500, str(error)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    do_POST = do_GET

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


subprocess.Popen(sys.argv[2:])
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
