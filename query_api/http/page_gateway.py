"""Where the page finds the gateway: by the setting ``page_gateway``, else on the host it was opened with."""

from urllib.parse import urlsplit

from foundation.settings import Settings

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def gateway_for_page(settings: Settings, host: str) -> str:
    """The URL of the gateway for a page that was requested with this Host header; empty: there is none.

    The address in the setting ``gateway`` is for programs on this machine or in this network. If it names the
    query API's host, the page uses the host it was opened with: a browser reaches both or neither.
    """
    chosen = settings.page_gateway
    if chosen and not chosen.startswith(":"):
        return chosen.rstrip("/")
    gateway = _parts(settings.gateway)
    opened = _parts(f"http://{host}")
    if chosen:
        return f"http://{_bracketed(opened[1] if opened else settings.host)}{chosen}"
    if gateway is None:
        return ""
    scheme, name, port = gateway
    api = _parts(settings.api)
    beside = name in _LOOPBACK or (api is not None and api[1] == name)
    if opened is None or not beside:
        return settings.gateway.rstrip("/")
    return f"{scheme}://{_bracketed(opened[1])}" + ("" if port is None else f":{port}")


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


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
