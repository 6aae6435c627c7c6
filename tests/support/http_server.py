"""HTTP servers whose answers a test writes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Handler(BaseHTTPRequestHandler):
    """Answers one request, and logs nothing."""

    def respond(self, status: int, body: bytes = b"") -> None:
        """Send the whole answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(handler: type[Handler], host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Serve on any free port, or on this one; yield the address, and stop at the end."""
    with ThreadingHTTPServer((host, port), handler) as server:
        # With the default interval a stop takes half a second
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://{host}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
