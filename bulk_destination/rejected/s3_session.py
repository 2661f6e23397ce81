"""HTTP for botocore, which by itself reads an answer to its end, however long that is."""

import os
from io import BytesIO
from typing import Any, ClassVar, Final

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config as ClientConfig
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.session import Session
from botocore.utils import get_environ_proxies
from urllib3 import HTTPResponse

from bulk_destination.http.wire import POOLS

#: Bytes of an answer; S3's and STS's are a hundredth of it.
LONGEST_ANSWER: Final = 100_000


class AnswerTooLongError(HTTPClientError):  # type: ignore[misc]  # botocore has no types
    """An answer has no end in sight."""

    fmt: ClassVar = "an answer of {url} is longer than any of S3"


class S3Session(URLLib3Session):  # type: ignore[misc]  # botocore has no types
    """As botocore's, but for the length of answers and their time. Not for downloads."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._pool_classes_by_scheme = POOLS  # for a proxy's, which come later
        self._manager.pool_classes_by_scheme = POOLS

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        """As botocore's; raises AnswerTooLongError where an answer is longer."""
        request.stream_output = True  # Else it would read all of it.
        response = super().send(request)
        body = response.raw.read(LONGEST_ANSWER + 1, decode_content=False)
        if len(body) > LONGEST_ANSWER:
            response.raw.close()
            raise AnswerTooLongError(url=response.url)
        response.raw.release_conn()
        read = HTTPResponse(BytesIO(body), preload_content=False)
        return AWSResponse(response.url, response.status_code, response.headers, read)


def send_by_ours(session: Session, config: ClientConfig) -> None:
    """Has all clients of `session` send by an `S3Session`, one for each address.

    botocore offers no other place to put one in; proxies and certificates are found as it does.
    """
    sessions: dict[str, S3Session] = {}
    bundle = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        # The host as it is in the URL: `https://host:port`.
        address = "/".join(request.url.split("/")[:3])
        if address not in sessions:
            timeouts = (config.connect_timeout, config.read_timeout)
            proxies = get_environ_proxies(address)
            sessions[address] = S3Session(verify=bundle or True, proxies=proxies, timeout=timeouts)
        return sessions[address].send(request)

    session.register("before-send", send)
