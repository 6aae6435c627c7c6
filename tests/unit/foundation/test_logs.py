"""Logs of a process, as whoever collects them reads them: each line is JSON."""

import json
import subprocess
import sys

PROGRAM = """
import threading
from foundation.logs import log_as
log_as("shelf", "INFO")
thread = threading.Thread(target=lambda: {}["book"], name="reader")
thread.start()
thread.join()
"""


def test_an_exception_that_ends_a_thread_is_one_line_of_json() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["level"], line["service"]) == ("ERROR", "shelf")
    assert line["message"] == "reader ended with KeyError"
    assert "KeyError: 'book'" in line["error"]
