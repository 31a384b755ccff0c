"""A service that takes webhooks, and misbehaves as it is told."""

import contextlib
import json
import socket
import struct
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """
    A real HTTP server on a free port; a context manager that runs it.

    Parameters
    ----------
    *answers
        What the first requests get: a status, ``"reset"``, ``"hang"``, or ``"endless"``, which is
        taken with a body that never ends; later ones get 200.
    headers
        Of every answer.
    """

    def __init__(self, *answers, headers=None):
        self.answers, self.headers = deque(answers), headers or {}
        self.seen, self.taken, self.keys = [], [], []
        self.changed = threading.Condition()
        self._over = threading.Event()
        receiver = self

        class Request(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with receiver.changed:
                    answer = receiver.answers.popleft() if receiver.answers else 200
                    receiver.seen.append((answer, body))
                    receiver.keys.append(self.headers["Idempotency-Key"])
                    if answer in {200, "endless"}:
                        receiver.taken.append(body)
                    receiver.changed.notify_all()
                if answer == "hang":
                    receiver._over.wait(20)
                    self.close_connection = True
                elif answer == "reset":
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.close_connection = True
                elif answer == "endless":
                    self.send_response(200)
                    self.send_header("Content-Encoding", "gzip")
                    self.send_header("Content-Length", str(1 << 40))
                    self.end_headers()
                    with contextlib.suppress(OSError):
                        while not receiver._over.is_set():
                            self.wfile.write(bytes(1 << 16))
                    self.close_connection = True
                else:
                    self.send_response(answer)
                    for name, value in receiver.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def wait(self, holds, seconds=15.0):
        """Wait until something holds of what was received."""
        with self.changed:
            assert self.changed.wait_for(lambda: holds(self), seconds), self.seen

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
