"""A supervised system of tiny programs. As a program it runs one until it is killed."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from foundation.settings import Settings
from library.process.program import Program
from library.system.members import Parts
from library.system.run_file import owned
from library.system.supervisor import Supervisor

LIVES = "import time; print('here', flush=True); time.sleep(600)"
CRASHES = "import sys; print('Traceback …\\nValueError: the shelf is empty', file=sys.stderr); sys.exit(1)"
BAD_DATA = 'import sys; print(\'{"level": "ERROR", "message": "version 3 is missing"}\'); sys.exit(65)'
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {LIVES}"


def fake_program(folder: Path, name: str, source: str = LIVES, stop_timeout_s: float = 20.0) -> Program:
    """A Python program that is ready when its log contains "here"."""
    log = folder / "logs" / f"{name}.log"

    def command() -> list[str]:
        log.unlink(missing_ok=True)
        return [sys.executable, "-ISc", source]

    return Program(name, command, lambda: log.exists() and "here" in log.read_text(), {}, log, stop_timeout_s)


def fake_system(
    data_dir: Path, projectors: Callable[[int], list[str]] = lambda beside: ["projector"], **sources: str
) -> Supervisor:
    """A supervisor of tiny programs; ``sources`` replaces the source of some of them, and may add ``audit``.

    ``projectors`` names the workers of all tables, as ``Parts.projectors`` returns them.
    """

    def part(name: str) -> Program:
        return fake_program(data_dir, name, sources.get(name, LIVES))

    parts = Parts(
        kafka=part("kafka"),
        topics=lambda: None,
        projectors=lambda beside: [part(name) for name in projectors(beside)],
        servers=[part("api"), part("gateway")],
        companions=[part("audit")] if "audit" in sources else [],
    )
    return Supervisor(Settings(data_dir=str(data_dir)), parts)


if __name__ == "__main__":
    with owned(Path(sys.argv[1])):
        asyncio.run(fake_system(Path(sys.argv[1])).run(lambda: None))
