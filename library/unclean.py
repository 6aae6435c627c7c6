"""What a killed broker leaves behind: a registration that seems alive, ended before the next start.

Kafka 4.3.1 loses transactions otherwise. A broker that was killed finds itself in its own metadata as the
leader of every partition when it starts again. So its transaction coordinator goes to work before it may
register, can't reach itself to write the end of a transaction that was committed just before the kill, and
when the old registration's session ends, and with it for a moment every partition's leader, the coordinator
takes the partition for deleted, gives the end up and calls the transaction complete. Its records then stay
hidden for ever, though they were acknowledged, and so does all that follows them in the partition.

With the controller run alone first, until the old registration's session has ended, the broker starts on
metadata in which it leads nothing until it has registered: then nothing is given up. It is quicker, too,
because the session of a broker that can't answer may be short.
"""

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

from library.launch import dying_with_me

CLEAN = ".kafka_cleanshutdown"
"""Kafka leaves this file in its log directory when it was stopped, and removes it when it starts."""
SESSION_MS = 200
LONGEST_START = 20.0
LONGEST_SESSION = 2.0
"""Seconds: where nothing was registered, no session ends either."""


def was_killed(data: Path) -> bool:
    """Whether the broker that kept its log in ``data`` ended otherwise than by stopping."""
    return (data / "meta.properties").exists() and not (data / CLEAN).exists()


def as_controller(settings: dict[str, object]) -> dict[str, object]:
    """The properties of the same node as a controller only, with a short patience for brokers."""
    alone = {name: value for name, value in settings.items() if name != "advertised.listeners"}
    return alone | {
        "process.roles": "controller",
        "listeners": str(settings["listeners"]).split(",")[1],
        "broker.session.timeout.ms": SESSION_MS,
        "broker.heartbeat.interval.ms": SESSION_MS // 2,
    }


def end_old_session(java: Sequence[str], config: Path) -> None:
    """Run the controller that ``config`` describes until it has ended the dead broker's session.

    Where it can't run, the broker can't either, and says why.
    """
    command = [*java, "-Dlibrary.controller=INFO", "kafka.Kafka", str(config)]
    with subprocess.Popen(
        dying_with_me(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as controller:
        assert controller.stderr is not None
        limit = threading.Timer(LONGEST_START, controller.kill)
        limit.start()
        try:
            for line in controller.stderr:
                if b"Becoming the active controller" in line:
                    limit.cancel()
                    limit = threading.Timer(LONGEST_SESSION, controller.terminate)
                    limit.start()
                elif b"because its session has timed out" in line:
                    controller.terminate()
        finally:
            limit.cancel()
            controller.terminate()
