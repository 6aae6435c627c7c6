"""Serves a query API without Kafka over real HTTP."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.query_api.api_without_kafka import ApiWithoutKafka


@contextmanager
def served(api: ApiWithoutKafka) -> Iterator[str]:
    """The address at which ``api`` answers meanwhile."""

    class Relay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = api.ask(self.path, headers=dict(self.headers))
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Relay)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
