"""``GET /stock/SKU`` by the standard library's HTTP server."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import msgspec

from eventstore.partition_reader import follow_partition
from eventstore.table_position import POSITION_KEY
from examples.warehouse.events import CODEC
from examples.warehouse.projection import TABLE
from foundation.settings import Settings


class StockServer(ThreadingHTTPServer):
    """Answers from rows in memory. One thread for each partition reads them from the table's changelog."""

    def __init__(self, settings: Settings, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.rows: dict[str, bytes] = {}
        for partition in range(settings.partitions):
            threading.Thread(target=self._follow, args=(settings, partition), daemon=True).start()

    def _follow(self, settings: Settings, partition: int) -> None:
        try:
            for message in follow_partition(settings, TABLE.changelog(settings), partition):
                if message is not None and message.key() != POSITION_KEY:
                    self.rows[(message.key() or b"").decode()] = message.value() or b""
        finally:
            # An error: no answer is better than an old one
            self.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: StockServer

    def do_GET(self) -> None:
        kind, _, sku = self.path.lstrip("/").partition("/")
        row = self.server.rows.get(unquote(sku)) if kind == "stock" else None
        body = msgspec.json.encode(CODEC.decode(row) if row else {"detail": "no such SKU"})
        self.send_response(200 if row else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)
