"""The routes of the query API, made once in a process: they take longer than most tests of them."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from inspect import signature
from typing import Any, NamedTuple, cast
from unittest.mock import patch

from litestar import Litestar
from litestar.di import Provide

from foundation.http import app as http

Send = Callable[..., Any]


class _Parts(NamedTuple):
    """What one application hands to its routes."""

    dependencies: Mapping[str, Provide]
    exception_handlers: Mapping[Any, Callable[..., Any]]


_current = ContextVar[_Parts]("_current")
_made: list[Litestar] = []


def with_shared_routes(create: Callable[[], Any]) -> Any:
    """The application that ``create`` makes with ``create_app``, around routes that all of them share."""
    with patch("query_api.http.app.create_litestar", _around_shared_routes):
        return create()


def _around_shared_routes(*arguments: Any, **parts: Any) -> Any:
    own = _Parts(parts["dependencies"], parts["exception_handlers"])
    if not _made:
        dependencies = {name: _dependency(name, provide) for name, provide in own.dependencies.items()}
        handlers = {kind: _handler(kind) for kind in own.exception_handlers}
        shared = parts | {"dependencies": dependencies, "exception_handlers": handlers}
        _made.append(http.create_litestar(*arguments, **shared))

    async def application(scope: Any, receive: Send, send: Send) -> None:
        _current.set(own)
        await _made[0](scope, receive, send)

    return application


def _dependency(name: str, provide: Provide) -> Provide:
    if signature(cast(Any, provide.dependency)).parameters:
        # It is made of the others, for each request
        return provide

    async def of_the_current_application() -> Any:
        return await _current.get().dependencies[name]()

    return Provide(of_the_current_application)


def _handler(kind: Any) -> Callable[..., Any]:
    return lambda request, error: _current.get().exception_handlers[kind](request, error)
