"""The object store that the settings name. The library of S3 is loaded by those alone who use it."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from gateway.adapters.object_store.settings import ObjectStoreSettings
from gateway.ports.object_store import ObjectStore


def open_object_store(
    settings: ObjectStoreSettings, data_dir: Path
) -> AbstractAsyncContextManager[ObjectStore]:
    """At work until the context ends."""
    if settings.kind == "s3":
        from gateway.adapters.object_store.s3 import open_s3_store

        return open_s3_store(settings)

    from gateway.adapters.object_store.folder import open_folder_store

    return open_folder_store(settings, settings.folder(data_dir))
