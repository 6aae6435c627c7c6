"""``python -m tests.support.late_answer BOOTSTRAP``: a stalled process, and a description that is late.

Lines on stdout say how far it is; it goes on with each line on stdin. While it is stalled, no Python thread
runs, but those of librdkafka do: a request times out, and its answer arrives after that.
"""

import ctypes
import sys
import threading

from confluent_kafka import KafkaException

from eventstore.groups import GroupDescriber
from foundation.settings import Settings
from tests.support.waiting import eventually

REQUEST_TIMEOUT_S = 0.5
"""That the late request is given."""


def main() -> None:
    """Exit code 0: the process has lived on, and the same group can be described afterwards."""
    describer = GroupDescriber(Settings(kafka=sys.argv[1]))
    eventually(lambda: described(describer, "known", 10))
    print("warm", flush=True)
    sys.stdin.readline()
    # The coordinator of another group is not known yet
    late = threading.Thread(target=described, args=(describer, "late", REQUEST_TIMEOUT_S))
    late.start()
    assert late.ident is not None
    eventually(lambda: sys._current_frames()[late.ident or 0].f_code.co_name == "wait")
    print("asked", flush=True)
    # Unlike CDLL, PyDLL keeps the interpreter's lock
    ctypes.PyDLL(None).read(sys.stdin.fileno(), ctypes.create_string_buffer(1), 1)
    late.join()
    eventually(lambda: described(describer, "late", 10))


def described(describer: GroupDescriber, group: str, timeout_s: float) -> bool:
    """Whether Kafka has answered: also that there is no such group is an answer."""
    (answer,) = describer.describe([group], timeout_s).values()
    return not isinstance(answer, KafkaException) or answer.args[0].name() == "GROUP_ID_NOT_FOUND"


if __name__ == "__main__":
    main()
