"""Access to an HTTP service: requests are checked by their Host and Origin headers."""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from foundation.http.addresses import host_name
from foundation.http.origins import PageOrigins
from foundation.http.problem import Problem
from foundation.settings import Settings

_HTTP_1_0 = ("1.0", "1")
"""As ASGI names it, and as granian does."""
_LONGEST_HOST = 260
"""Characters: a domain name has at most 253, a port six more."""


class AllowedHosts:
    """Which ``Host`` and ``Origin`` headers are accepted, to keep foreign web pages out.

    A page can make a browser send requests to 127.0.0.1, from its own origin or under its own host name
    (DNS rebinding). Accepted hosts are ``localhost``, IP addresses and the hosts in the settings, which a
    stranger does not control. Accepted origins are those of the same host and port, and ``pages``.
    """

    def __init__(self, settings: Settings, pages: PageOrigins | None = None) -> None:
        urls = (settings.api, *settings.gateway_urls, settings.advertise, settings.audit)
        configured = (_host_name(urlsplit(url).netloc) for url in urls)
        self._names = {"localhost", host_name(settings.host).lower(), *configured} - {""}
        self._pages = pages
        self.allows = lru_cache(maxsize=256)(self._allows)

    def check(self, host: str | None, origin: str | None, http_version: str = "1.1") -> None:
        """Accept a request by its headers. Raises Problem: 400 or 421 for the host, 403 for the origin.

        HTTP/1.0 requires no Host header. Browsers, whose pages are to be kept out, don't speak it.
        """
        # Granian gives a request without a Host an empty one
        if not host:
            if http_version not in _HTTP_1_0:
                raise Problem(400, "no_host", "the Host header is missing")
        elif not self.allows(host):
            raise Problem(
                421,
                "unknown_host",
                f"the Host header names {host[:100]!r}, which is not this service: use its address, "
                "localhost, or the name in the settings `api`, `gateway`, `advertise` and `audit`",
            )
        if origin is None or origin.partition("://")[2] == host:
            return
        if self._pages is None or not self._pages.allows(origin, host or ""):
            raise Problem(403, "foreign_origin", f"pages of {origin[:100]!r} may not use this service")

    def _allows(self, host: str) -> bool:
        """Whether ``host``, with or without a port, is a name of this service or an IP address."""
        name = _host_name(host)
        return name in self._names or _is_address(name)


def _host_name(host: str) -> str:
    """``host`` without its port, its brackets and the dot of the root; empty if it is not a host."""
    if len(host) > _LONGEST_HOST or set(host) & set("/?#@\\ "):
        return ""
    try:
        parts = urlsplit(f"//{host}")
        # A port that is none raises ValueError, too
        name, _ = parts.hostname or "", parts.port
        return name.removesuffix(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
