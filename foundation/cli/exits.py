"""Exit codes of every program here; those from 64 up are sysexits.h's."""

DONE = 0
FAILED = 1
MALFORMED = 2
REFUSED = 3
NOT_FOUND = 4
"""Also: ``verify`` or ``audit`` found differences."""
BAD_DATA = 65
"""In a file (its rejects are written), or in a store: a restart won't help."""
UNAVAILABLE = 69
"""Kafka, or the system on this machine, can't be reached."""
UNKNOWN = 75
"""The outcome is unknown: repeat with the same command id."""
INTERRUPTED = 130
