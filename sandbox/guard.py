"""Who may read the sandbox: what runs on this machine, and no page of somebody else's site.

A site can point its own name at 127.0.0.1 and then read, in its visitor's browser, whatever
answers there (DNS rebinding). The browser still sends the site's name as `Host`, so a name that
does not belong to this machine gives it away. Who lets the sandbox listen elsewhere has made it
reachable under names that nobody here can know; then every name is good.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

#: For every answer that shows what was sent. Nothing is loaded from elsewhere, or by others.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Nothing goes elsewhere; of a form's own page a browser would say `Origin: null` without it.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def is_loopback(host: str) -> bool:
    """Whether a name or address, without port, is one of this machine's loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        name = host.lower().removesuffix(".")
        return name == "localhost" or name.endswith(".localhost")


def objection(bound_to: str, host: str | None, origin: str | None) -> str | None:
    """Why a request is not answered, or `None` if it is.

    `bound_to` is where the sandbox listens; `host` and `origin` are the request's headers.
    """
    if not is_loopback(bound_to):
        return None
    if not is_loopback(_host_of(f"//{host or ''}")):
        return "The sandbox answers to localhost and 127.0.0.1 only."
    if origin is not None and not is_loopback(_host_of(origin)):
        return "The sandbox does not answer pages of other sites."
    return None


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
