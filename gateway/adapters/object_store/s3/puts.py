"""PUTs of bytes: signed and sent without the client library's work per request, which costs more than their signing.

Of a PUT of 1 MB it would be a third of all the CPU time. The signature, the connections and the errors are the
library's all the same.
"""

import asyncio
from collections.abc import Mapping
from itertools import count
from typing import Any, BinaryIO, Final, cast
from urllib.parse import quote

from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnected
from botocore.parsers import create_parser

from gateway.adapters.object_store.s3.config import USER_AGENT, endpoint_url
from gateway.adapters.object_store.s3.faults import DOWN_CODES, code_of
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.pacing import pause_after

_WORTH_ANOTHER_TRY: Final = (500, 502, 503, 504)
_UNRESERVED: Final = "/~"  # of a path, as S3 reads it when it checks a signature


class Puts:
    """They go over `connections`, the pool of the client library's client, and are tried as often as its requests."""

    def __init__(self, settings: ObjectStoreSettings, config: AioConfig, connections: AIOHTTPSession) -> None:
        self._base = endpoint_url(settings)
        self._attempts = settings.attempts
        self._config = config
        self._connections = connections
        keys = Credentials(settings.access_key, settings.secret_key)
        self._signer = S3SigV4Auth(keys, "s3", settings.region)

    async def put(
        self, bucket: str, key: str, body: BinaryIO, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Mapping[str, str]:
        """The headers of the answer. Raises botocore's ClientError, NotConnected and HTTPClientError."""
        for attempt in count(1):
            is_last = attempt >= self._attempts
            try:
                answer = await self._connections.send(self._signed(bucket, key, body, headers, query))
            except (NotConnected, HTTPClientError):
                if is_last:
                    raise
            else:
                if answer.status_code < 300:
                    return cast(Mapping[str, str], answer.headers)
                error = await _error_of(answer)
                if is_last or not _is_worth_another_try(error, answer.status_code):
                    raise error
            await asyncio.sleep(pause_after(attempt))
        raise AssertionError

    def _signed(
        self, bucket: str, key: str, body: BinaryIO, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Any:
        body.seek(0)
        url = f"{self._base}/{bucket}/{quote(key, safe=_UNRESERVED)}"
        request = AWSRequest(
            "PUT", url, headers={**headers, "User-Agent": USER_AGENT}, data=body, params=query
        )
        request.context["client_config"] = self._config
        self._signer.add_auth(request)
        return request.prepare()


def _is_worth_another_try(error: ClientError, status: int) -> bool:
    return status in _WORTH_ANOTHER_TRY or code_of(error) in DOWN_CODES


async def _error_of(answer: Any) -> ClientError:
    body = await answer.content
    raw = {"status_code": answer.status_code, "headers": answer.headers, "body": body}
    return ClientError(create_parser("rest-xml").parse(raw, None), "PUT")
