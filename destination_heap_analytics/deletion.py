"""How users are deleted in Heap. Pure.

A key gives a token, a token lets users be deleted, 10,000 a request, and each request has a number
by which Heap tells how far it is.

Sources: https://developers.heap.io/reference/user-deletion and, for the token's life,
https://help.heap.io/data-privacy/data-deletion/user-deletion-with-postman. What they leave open is
met safely either way, and said where it is.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import orjson

from bulk_destination.delivery.held import Hold
from bulk_destination.errors import Fault
from bulk_destination.http import replies
from bulk_destination.http.endpoint import Endpoint, ReadReply
from bulk_destination.http.jobs import (
    Done,
    Given,
    Jobs,
    NotDone,
    Pending,
    Taken,
    Unauthorised,
)
from bulk_destination.http.replies import Accepted, NotTheService, Refused, Reply, TooLarge
from bulk_destination.http.signs import unpacked
from bulk_destination.http.words import KnownWords, said_in
from destination_heap_analytics.config import (
    DEFAULT_BASE_URL,
    DELETION_STATUS_PATH,
    MOST_USERS,
    TOKEN_PATH,
    USER_DELETION_PATH,
    DeleteUsersConfig,
    HeapConfig,
)

#: Users of one request.
MAX_USERS: Final = 10_000
#: Heap's tokens live for five minutes. One that is younger than this is used; what Heap answers to
#: one that has ended is not published, so it is not asked for where that can be helped.
_TOKEN_SECONDS: Final = 240.0
#: What may be in a header.
_TOKEN: Final = re.compile(r"[!-~]{1,8192}")
#: No word for a request that failed is published.
_FAILURE: Final = re.compile(r"fail|error|reject|refus|den[iy]|cancel|abort|invalid", re.IGNORECASE)

_WORDS: Final = KnownWords(
    frozenset(
        {
            *("users", "identity", "user_id", "app_id", "api_key", "access_token", "status"),
            *("deletion_request_id", "deletion_request_location", "postBody"),
            *(
                "Unauthorized",
                "unauthorized",
                "authorized",
                "Forbidden",
                "token",
                "Token",
                "expired",
            ),
            *("Main", "main", "Production", "production", "environment", "environments", "project"),
            *(
                "app",
                "deletion",
                "delete",
                "deleted",
                "permission",
                "access",
                "API",
                "key",
                "Invalid",
            ),
        }
    )
)
_KEY: Final = (
    "Copy the API key of the environment anew (in Heap: Account > Manage > Projects), and look "
    "whether app_id is that of the Main Production environment: no other one can delete users"
)


def hold(config: HeapConfig, api: DeleteUsersConfig) -> Hold:
    """What is kept back until the source has ended, and how Heap does it then."""
    return Hold(
        most=api.most_users,
        most_counted=MOST_USERS,
        too_many=lambda count: _too_many(count, api.most_users),
        unit="users",
        deed="deleted",
        jobs=Jobs(
            name="deletion request",
            token=token_endpoint(config, api),
            token_seconds=_TOKEN_SECONDS,
            status=lambda number: _endpoint(
                config, DELETION_STATUS_PATH + quote(number, safe=""), _read_status, method="GET"
            ),
            no_token=_no_token,
            not_allowed=lambda words: Fault("app_id", f"may delete no users ({words}). {_KEY}"),
        ),
    )


def token_endpoint(config: HeapConfig, api: DeleteUsersConfig) -> Endpoint:
    """Where a token is had for the key."""
    pair = f"{config.app_id}:{api.api_key.get_secret_value()}".encode()
    basic = "Basic " + b64encode(pair).decode()
    return _endpoint(config, TOKEN_PATH, _read_token, headers=lambda _: {"Authorization": basic})


def deletion_endpoint(config: HeapConfig) -> Endpoint:
    """Where users go to be deleted."""
    return _endpoint(
        config,
        USER_DELETION_PATH,
        _read_taken,
        envelope=(b'{"users":[', b"]}"),
        headers=lambda _: {"Content-Type": "application/json"},
    )


def token_fault(reply: Accepted | Refused | TooLarge) -> str | None:
    """What is wrong where Heap answers so to who asks for a token; None if it gives one."""
    match reply:
        case Accepted():
            return None
        case Refused(words):
            return str(_no_token(_WORDS.reason("Heap", words)))
        case TooLarge():
            return str(_no_token("status 413"))


def _no_token(words: str) -> Fault:
    return Fault("api.api_key", f"gets no token from Heap for this app_id ({words}). {_KEY}")


def _too_many(count: str, most: int) -> Fault:
    return Fault(
        "api.most_users",
        f"is {most:,}, and this sync would delete {count} users. So nothing was sent, and nobody "
        "was deleted. Look whether the stream holds requests and nothing else; if all of these are "
        f"meant, set it higher (up to {MOST_USERS:,})",
    )


def _endpoint(config: HeapConfig, path: str, read_reply: ReadReply, **more: Any) -> Endpoint:
    defaults: dict[str, Any] = {
        "envelope": (b"", b""),
        "headers": lambda _: {},
        "max_items": MAX_USERS,
    }
    return Endpoint(
        service="Heap",
        addresses=DEFAULT_BASE_URL,
        url=config.deletion_url + path,
        read_reply=read_reply,
        keeps_for_ever=False,
        words=_WORDS,
        **(defaults | more),
    )


def _read_token(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Reply:
    reply = replies.read_reply(status, headers, body, now)
    if isinstance(reply, Accepted):
        token = _object(headers, body).get("access_token")
        if isinstance(token, str) and _TOKEN.fullmatch(token):
            return Given(token)
        return NotTheService(f"status {status} without a token")
    refused = _not_allowed(reply, status, headers, body)
    if refused is not None and not refused.words:
        # Most likely the key; but once there was a token, most likely something on the way.
        return NotTheService(f"status {status}", _no_token(f"status {status}"))
    return refused or reply


def _read_taken(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Reply:
    reply = replies.read_reply(status, headers, body, now)
    if isinstance(reply, Accepted):
        answer = _object(headers, body)
        number = answer.get("deletion_request_id")
        if type(number) is int or (isinstance(number, str) and number):
            return Taken(str(number), is_done=_is_complete(answer.get("status")))
        return NotTheService(f"status {status} without the number of a request")
    return _not_allowed(reply, status, headers, body) or reply


def _read_status(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Reply:
    """Published are `pending`, `complete`, and 404 for a number that Heap does not know.

    It may not know one yet that it has just given, so a 404 is none for good. A word that means
    no failure leaves the request open.
    """
    said = _object(headers, body).get("status")
    if 200 <= status < 300 and isinstance(said, str):
        if _is_complete(said):
            return Done()
        return NotDone(said_in(body).words) if _FAILURE.search(said) else Pending()
    reply = replies.read_reply(status, headers, body, now)
    if isinstance(reply, Accepted):
        return NotTheService(f"status {status} without that of a request")
    if reply == NotTheService("status 404"):
        return NotDone(said_in(body).words, is_final=False)
    return _not_allowed(reply, status, headers, body) or reply


def _not_allowed(
    reply: Reply, status: int, headers: Mapping[str, str], body: bytes
) -> Unauthorised | None:
    """Whether Heap says that this is not allowed.

    Its page names 401, and errors that have an `err` with a `message`. So a 403 that has words is
    Heap's, too, and any other one may be a firewall's.
    """
    is_plain = reply == NotTheService(f"status {status}")
    if not is_plain or not (status == 401 or (status == 403 and _object(headers, body))):
        return None
    said = said_in(unpacked(headers.get("Content-Encoding"), body) or b"")
    return Unauthorised(said.words, said.answer)


def _is_complete(status: object) -> bool:
    return isinstance(status, str) and status.lower() in {"complete", "completed"}


def _object(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """The object that an answer is; an empty one where it is none."""
    try:
        parsed = orjson.loads(unpacked(headers.get("Content-Encoding"), body) or b"")
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}
