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

import re
import subprocess
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from library.process.die_with_parent import dying_with_me

CLEAN = ".kafka_cleanshutdown"
"""Kafka leaves this file in its log directory when it was stopped, and removes it when it starts."""
SESSION_MS = 200
LONGEST = 60.0
"""Seconds: then the broker starts as it is."""
_REGISTRATION = re.compile(
    rb"Replayed .*(?:RegisterBroker|BrokerRegistrationChange)Record\(.*\bfenced=([\w-]+)"
)
_WRITING = re.compile(rb"Read-write operation (maybeFenceStaleBroker\(\d+\)) will be completed")


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
    command = [*java, "-Dlibrary.controller=DEBUG", "kafka.Kafka", str(config)]
    with subprocess.Popen(
        dying_with_me(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as controller:
        assert controller.stderr is not None
        limit = threading.Timer(LONGEST, controller.kill)
        limit.start()
        try:
            session_ended(controller.stderr)
        finally:
            controller.terminate()
            # It may have more to say than the pipe holds
            controller.stderr.read()
            limit.cancel()


def session_ended(said: Iterable[bytes]) -> bool:
    """Read what the controller says until no broker is registered as alive, and that is in its log.

    Only its log at DEBUG tells when a change is in the log, and not merely decided. False: it never said so.
    """
    alive, writing = False, b""
    for line in said:
        if found := _REGISTRATION.search(line):
            alive = {b"true": False, b"1": False, b"false": True, b"-1": True}.get(found[1], alive)
        elif b"Becoming the active controller" in line and not alive:
            return True
        elif found := _WRITING.search(line):
            writing = found[1]
        elif writing and b"Processed " + writing in line:
            return True
    return False
