"""Where the page finds the gateways: by the setting ``page_gateway``, else on the host it was opened with."""

from urllib.parse import urlsplit

from foundation.http.addresses import bracketed
from foundation.settings import Settings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def gateways_for_page(settings: Settings, host: str) -> list[str]:
    """The URLs of the gateways for a page that was requested with this Host header.

    The addresses in the setting ``gateway`` are for programs on this machine or in this network. If one names
    the query API's host, the page uses the host it was opened with: a browser reaches both or neither.
    """
    chosen = settings.page_gateway
    if chosen and not chosen.startswith(":"):
        return [chosen.rstrip("/")]
    opened = _parts(f"http://{host}")
    if chosen:
        first, _, last = chosen[1:].partition("-")
        page_host = bracketed(opened[1] if opened else settings.host)
        return [f"http://{page_host}:{port}" for port in range(int(first), int(last or first) + 1)]
    urls = (_for_page(url, settings, opened) for url in settings.gateway_urls)
    return [url for url in urls if url]


def _for_page(url: str, settings: Settings, opened: tuple[str, str, int | None] | None) -> str:
    gateway = _parts(url)
    if gateway is None:
        return ""
    scheme, name, port = gateway
    api = _parts(settings.api)
    beside = name in _LOOPBACK or (api is not None and api[1] == name)
    if opened is None or not beside:
        return url.rstrip("/")
    return _origin(scheme, opened[1], port)


def origin_of(url: str) -> str:
    """Scheme, host and port of ``url``; empty if it is no HTTP address."""
    parts = _parts(url)
    return "" if parts is None else _origin(*parts)


def _origin(scheme: str, host: str, port: int | None) -> str:
    return f"{scheme}://{bracketed(host)}" + ("" if port is None else f":{port}")


def _parts(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port; None if ``url`` is no address of a service."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or set(host) & set("; ,'\""):
        return None
    return parts.scheme, host, port
