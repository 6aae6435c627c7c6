"""The producers of this process: each has threads and connections of its own."""

import gc

from confluent_kafka import Producer


def live_producers() -> set[int]:
    """The ids of all that have not been freed."""
    return {id(each) for each in gc.get_objects() if isinstance(each, Producer)}
