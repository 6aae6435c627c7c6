"""Tests of files that a process may not read or write."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

NOBODY = 65534
"""A user without privileges."""


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be a user who may not do everything."""
    if (user := os.geteuid()) == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
