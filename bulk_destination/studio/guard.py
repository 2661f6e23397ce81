"""Who may use the studio: the browser of whoever started it, and nobody else. Pure.

The address that is opened has a token of 128 bits in its path, which other users of the machine and
other sites do not know. A site can point its own name at 127.0.0.1 (DNS rebinding) and can send
forms anywhere, so the browser's `Host` and `Origin` have to be this address, too.
"""

from hmac import compare_digest
from typing import Final

#: For every answer: nothing is loaded from elsewhere, shown by others, or kept by the browser.
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # The path has the token. Not `no-referrer`: then a form that is sent has no origin either.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def objection(port: int, token: str, path: str, hosts: list[str], origins: list[str]) -> str | None:
    """Why a request is not answered, or None if it is.

    `hosts` and `origins` are the values of those headers, of which there is one and at most one.
    """
    names = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
    if len(hosts) != 1 or hosts[0] not in names:
        return "The studio answers to 127.0.0.1 and localhost only."
    if len(origins) > 1 or not {f"http://{name}" for name in names}.issuperset(origins):
        return "The studio does not answer pages of other sites."
    given = path.split("/")[1] if path.startswith("/") else ""
    if not compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
        return "The address lacks the token: open the one that the studio printed."
    return None
