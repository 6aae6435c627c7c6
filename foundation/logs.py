"""Logs of the long-lived processes: one JSON object a line, on stderr."""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import Any


class JsonLines(logging.Formatter):
    """Formats a record as ``{"time": …, "level": …, "service": …, "logger": …, "message": …}``.

    A record with an exception also has ``error``, its traceback.
    """

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line, even if its message has line ends."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "service": self.service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_as(service: str, level: str) -> None:
    """Write all log records of this process to stderr as JSON lines, and the exception that ends a thread."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    threading.excepthook = _log_end_of_thread
    if level != "DEBUG":
        # librdkafka logs every failed attempt to connect; its callers log the errors that matter
        logging.getLogger("librdkafka").setLevel(logging.CRITICAL)


def _log_end_of_thread(end: threading.ExceptHookArgs) -> None:
    """Python would print a traceback of many lines."""
    if issubclass(end.exc_type, SystemExit):
        return
    name = "a thread" if end.thread is None else end.thread.name
    error = end.exc_value or end.exc_type()
    logging.getLogger(__name__).error("%s ended with %s", name, end.exc_type.__name__, exc_info=error)
