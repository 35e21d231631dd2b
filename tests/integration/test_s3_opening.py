"""Opening an S3 store: whether S3 is there or not, and by its settings alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from gateway.adapters.object_store.opening import open_object_store
from gateway.adapters.object_store.s3 import S3ObjectStore, open_s3_store
from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.errors import Unavailable
from gateway.ports.object_store import Bucket, ObjectKey, ObjectNotFound
from tests.servers.odd_s3 import answered, odd_s3, silent
from tests.servers.s3 import Certificate, S3Server, plain_client, running_moto, running_rclone

PHOTO = ObjectKey(Bucket.ORIGINAL, "b-1/original.jpg")


@asynccontextmanager
async def opened(options: dict[str, Any], **changes: Any) -> AsyncIterator[S3ObjectStore]:
    async with open_s3_store(ObjectStoreSettings(kind="s3", **{**options, **changes})) as store:
        yield store


async def put(store: S3ObjectStore, key: ObjectKey = PHOTO) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"here"

    await store.put(key, body(), media_type="image/jpeg", max_bytes=4)


async def get(store: S3ObjectStore, key: ObjectKey = PHOTO) -> bytes:
    async with store.open(key) as reader:
        return b"".join([chunk async for chunk in reader.chunks])


async def buckets_of(server: S3Server) -> set[str]:
    async with plain_client(server) as client:
        return {found["Name"] for found in (await client.list_buckets())["Buckets"]}


def names_in(options: dict[str, Any]) -> set[str]:
    return {options["original_bucket"], options["processed_bucket"]}


async def test_buckets_that_are_missing_are_made_when_the_store_is_opened(rclone: S3Server) -> None:
    options = rclone.options()
    async with opened(options):
        assert names_in(options) <= await buckets_of(rclone)


async def test_settings_that_name_s3_open_it(rclone: S3Server, tmp_path: Path) -> None:
    settings = ObjectStoreSettings(kind="s3", **rclone.options())
    async with open_object_store(settings, tmp_path) as store:
        assert rclone.endpoint in await store.check()
    assert list(tmp_path.iterdir()) == []


async def test_a_media_type_is_kept_with_its_object(moto: S3Server) -> None:
    options = moto.options()
    async with opened(options) as store, plain_client(moto) as client:
        await put(store)
        found = await client.head_object(Bucket=options["original_bucket"], Key=PHOTO.key)
        assert found["ContentType"] == "image/jpeg"


@pytest.mark.parametrize("first", ["check", "put", "get", "head", "delete"])
async def test_an_s3_that_comes_after_the_gateway_is_used_once_it_is_there(
    first: str, tmp_path: Path
) -> None:
    with running_rclone(tmp_path, is_started=False) as server:
        options = server.options()
        begun = time.monotonic()
        async with opened(options, attempts=2) as store:
            assert time.monotonic() - begun < 8
            with pytest.raises(Unavailable):
                await store.check()
            with pytest.raises(Unavailable):
                await put(store)
            server.start()
            await do(first, store)
            assert names_in(options) <= await buckets_of(server)
            await put(store)
            assert await get(store) == b"here"


async def do(operation: str, store: S3ObjectStore) -> None:
    match operation:
        case "check":
            await store.check()
        case "put":
            await put(store)
        case "delete":
            await store.delete(PHOTO)
        case _:
            with pytest.raises(ObjectNotFound):
                await (get(store) if operation == "get" else store.head(PHOTO))


async def test_an_s3_that_never_answers_holds_up_the_opening_no_longer_than_a_check() -> None:
    async with odd_s3(silent) as server:
        server.has_buckets = False
        begun = time.monotonic()
        async with opened(server.options(), check_timeout_s=0.5):
            assert time.monotonic() - begun < 5


async def test_a_bucket_that_was_deleted_is_made_again(tmp_path: Path) -> None:
    with running_moto(tmp_path) as server:
        async with opened(server.options()) as store:
            await put(store)
            server.restart()
            with pytest.raises(Unavailable, match="NoSuchBucket"):
                await put(store)
            await put(store)
            assert await get(store) == b"here"


@pytest.mark.parametrize("kind", ["rclone", "moto"])
async def test_without_leave_to_make_them_missing_buckets_are_named(
    kind: str, request: pytest.FixtureRequest
) -> None:
    server: S3Server = request.getfixturevalue(kind)
    options = server.options()
    async with opened(options, create_buckets=False) as store, plain_client(server) as client:
        await client.create_bucket(Bucket=options["original_bucket"])
        with pytest.raises(Unavailable) as missing:
            await store.check()
        assert options["processed_bucket"] in missing.value.detail
        with pytest.raises(Unavailable, match=options["processed_bucket"]):
            await put(store)
        await client.create_bucket(Bucket=options["processed_bucket"])
        await store.check()
        await put(store)


@pytest.mark.parametrize("kind", ["rclone", "moto"])
async def test_stores_that_start_together_on_an_empty_s3_all_get_their_buckets(
    kind: str, request: pytest.FixtureRequest
) -> None:
    server: S3Server = request.getfixturevalue(kind)
    options = server.options()
    async with AsyncExitStack() as stack:
        stores = await asyncio.gather(*(stack.enter_async_context(opened(options)) for _ in range(6)))
        for number, store in enumerate(stores):
            await put(store, ObjectKey(Bucket.PROCESSED, f"a/{number}"))


@pytest.mark.parametrize("code", ["BucketAlreadyOwnedByYou", "BucketAlreadyExists"])
async def test_who_loses_the_race_for_a_bucket_takes_what_is_there(code: str) -> None:
    async with racing_s3(code, is_there_then=True) as options, opened(options) as store:
        await store.check()


async def test_a_bucket_of_somebody_else_is_not_ours() -> None:
    async with racing_s3("BucketAlreadyExists", is_there_then=False) as options, opened(options) as store:
        with pytest.raises(Unavailable, match="original"):
            await store.check()


@asynccontextmanager
async def racing_s3(code: str, *, is_there_then: bool) -> AsyncIterator[dict[str, Any]]:
    """Each bucket is missing, cannot be made, and is there when it is looked for again, or still is not."""
    seen: set[str] = set()

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            seen.add(request.path)
            return await answered(409, code)(request)
        return web.Response(status=200 if is_there_then and request.path in seen else 404)

    async with odd_s3(handler) as server:
        server.has_buckets = False
        yield server.options()


async def test_a_server_that_knows_no_such_page_is_no_s3_and_stops_no_start() -> None:
    async def no_such_page(_request: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound

    async with odd_s3(no_such_page) as server:
        server.has_buckets = False
        async with opened(server.options()) as store:
            with pytest.raises(Unavailable) as raised:
                await store.check()
            assert "no S3" in raised.value.detail


async def test_an_endpoint_may_be_written_in_capitals(rclone: S3Server) -> None:
    async with opened(rclone.options(), endpoint=f"LocalHost:{rclone.port}") as store:
        await put(store)
        assert await get(store) == b"here"


async def test_wrong_keys_are_told_from_an_s3_that_is_down(rclone: S3Server) -> None:
    async with opened(rclone.options(), secret_key="wrong") as store:
        for operation in (store.check(), put(store)):
            with pytest.raises(Unavailable) as refused:
                await operation
            assert "secret_key" in refused.value.detail
            assert "wrong" not in str(refused.value)


@pytest.fixture
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(ca: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def certificate(ca: trustme.CA, tmp_path: Path) -> Certificate:
    issued = ca.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(tmp_path / "cert.pem"), append=True)
    return Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")


async def test_an_s3_whose_certificate_is_signed_by_the_ca_file_is_trusted(
    tmp_path: Path, ca_file: str, certificate: Certificate
) -> None:
    with running_rclone(tmp_path / "s3", certificate=certificate) as server:
        async with opened(server.options(), ca_file=ca_file) as store:
            await put(store)
            await put_in_parts(store)
            assert await get(store) == b"here"


async def put_in_parts(store: S3ObjectStore) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b"x" * 1024 * 1024

    key = ObjectKey(Bucket.ORIGINAL, "large")
    await store.put(key, body(), media_type="image/jpeg", max_bytes=10 * 1024 * 1024)
    assert (await store.head(key)).size == 6 * 1024 * 1024


async def test_an_s3_whose_certificate_nobody_vouches_for_is_refused(
    tmp_path: Path, certificate: Certificate
) -> None:
    with running_rclone(tmp_path / "s3", certificate=certificate) as server:
        async with opened(server.options()) as store:
            for operation in (store.check(), put(store)):
                with pytest.raises(Unavailable, match="certificate"):
                    await operation


async def test_an_s3_of_another_name_than_its_certificate_says_is_refused(
    tmp_path: Path, ca: trustme.CA, ca_file: str
) -> None:
    issued = ca.issue_cert("elsewhere.example")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    both = Certificate(tmp_path / "both.pem", tmp_path / "both.pem")
    with running_rclone(tmp_path / "s3", certificate=both) as server:
        async with opened(server.options(), ca_file=ca_file) as store:
            with pytest.raises(Unavailable, match="certificate"):
                await store.check()


async def test_a_ca_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("no certificate")
    for name in ("missing.pem", "broken.pem"):
        with pytest.raises(Unavailable, match=name):
            async with opened({"tls": True, "ca_file": str(tmp_path / name)}):
                pass


ENVIRONMENT: dict[str, Callable[[Path], dict[str, str]]] = {
    "a proxy": lambda _: dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:9"),
    "another endpoint": lambda _: dict.fromkeys(("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"), "http://127.0.0.1:9"),
    "other keys": lambda _: {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "x"},
    "a profile that is not there": lambda _: {"AWS_PROFILE": "elsewhere", "AWS_DEFAULT_PROFILE": "elsewhere"},
    "odd ways": lambda _: {"AWS_DEFAULTS_MODE": "auto", "AWS_RETRY_MODE": "adaptive", "AWS_MAX_ATTEMPTS": "x"},
    "certificates": lambda _: dict.fromkeys(("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"), "nowhere.pem"),
    "a broken file": lambda folder: {"AWS_CONFIG_FILE": broken(folder), "AWS_SHARED_CREDENTIALS_FILE": broken(folder)},
    "a home": lambda folder: {"HOME": home_with_aws(folder)},
}  # fmt: skip


def broken(folder: Path) -> str:
    path = folder / "aws"
    path.write_text("[broken\n")
    return str(path)


def home_with_aws(folder: Path) -> str:
    (folder / ".aws").mkdir()
    (folder / ".aws" / "config").write_text("[default]\nendpoint_url = http://127.0.0.1:9\nretry_mode = x\n")
    return str(folder)


@pytest.mark.parametrize("what", ENVIRONMENT)
async def test_nothing_of_the_environment_is_used(
    what: str, rclone: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT[what](tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with opened(rclone.options()) as store:
        await put(store)
        assert await get(store) == b"here"
