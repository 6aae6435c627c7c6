"""Connections to Kafka that receive each answer in one place.

aiokafka collects an answer from asyncio's stream, piece by piece in a buffer that grows, and copies it then.
A rebuild reads gigabytes that way: received in place, they take a twentieth less CPU time.
"""

import asyncio
import functools
import weakref
from collections.abc import Callable
from typing import Any

from aiokafka import conn


class Frames(asyncio.BufferedProtocol):
    """Receives frames, four bytes of length and the bytes of an answer, into a buffer that it keeps.

    ``stream`` is the protocol before, through which requests are written. A frame that can't be handled ends
    the connection.
    """

    def __init__(self, stream: conn.AIOKafkaProtocol, handle: Callable[[bytes], None]) -> None:
        self._stream, self._handle = stream, handle
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Fails when the connection is lost."""
        self._length = self._missing = memoryview(bytearray(4))
        self._buffer = memoryview(b"")
        self._frame: memoryview | None = None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """What is missing of the length, or of the answer."""
        return self._missing

    def buffer_updated(self, nbytes: int) -> None:
        """Handle the frame if it is complete."""
        self._missing = self._missing[nbytes:]
        if self._missing:
            return
        if self._frame is None:
            size = int.from_bytes(self._length, "big")
            if size > len(self._buffer):
                self._buffer = memoryview(bytearray(size))
            self._frame = self._missing = self._buffer[:size]
        else:
            frame, self._frame, self._missing = bytes(self._frame), None, self._length
            self._handle(frame)

    def pause_writing(self) -> None:
        """Let the stream pause."""
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        """Let the stream go on."""
        self._stream.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the stream, too."""
        self._stream.connection_lost(exc)
        if not self.ended.done():
            self.ended.set_exception(exc or EOFError())


class Connection(conn.AIOKafkaConnection):  # type: ignore[misc]
    """aiokafka's connection, which gets whole frames."""

    def _create_reader_task(self) -> Any:
        frames = Frames(self._protocol, self._handle_frame)
        frames.ended.add_done_callback(functools.partial(self._on_read_task_error, weakref.ref(self)))
        self._writer.transport.set_protocol(frames)
        if self._reader.at_eof():
            # Lost before it was ours
            frames.ended.set_exception(EOFError())
        return frames.ended
