"""Programs of the system that are started again when they end, as a supervisor does."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from foundation.cli import exits
from foundation.settings import PREFIX, Settings


class RestartedProgram:
    """One program; ``out`` and ``log`` grow over its restarts. An end that no restart mends is remembered."""

    def __init__(self, settings: Settings, name: str, *arguments: str) -> None:
        home = Path(settings.data_dir)
        home.mkdir(parents=True, exist_ok=True)
        self.out, self.log = home / f"{name}.out", home / f"{name}.log"
        self.restarts = 0
        self.hopeless = False
        self._command = [sys.executable, "-m", *arguments]
        self._environment = _told(settings)
        self._stopping = False
        self._process = self._started()
        self._keeper = threading.Thread(target=self._keep)
        self._keeper.start()

    def stop(self) -> None:
        """End it cleanly, and leave it so."""
        self._stopping = True
        self._process.terminate()
        self._keeper.join(30)
        if self._keeper.is_alive():
            self._process.kill()
            self._keeper.join(10)

    def _keep(self) -> None:
        while True:
            code = self._process.wait()
            if self._stopping:
                return
            if code == exits.BAD_DATA:
                self.hopeless = True
                return
            self.restarts += 1
            self._process = self._started()
            if self._stopping:  # asked while it was being started
                self._process.terminate()

    def _started(self) -> "subprocess.Popen[bytes]":
        with self.out.open("ab") as out, self.log.open("ab") as log:
            return subprocess.Popen(
                self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=out, stderr=log
            )


def _told(settings: Settings) -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return kept | {f"{PREFIX}{n.upper()}": str(getattr(settings, n)) for n in Settings.__struct_fields__}
