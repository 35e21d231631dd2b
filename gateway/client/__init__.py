"""The Python client of a gateway: submit images, follow a job, fetch the results.

    async with GatewayClient("http://127.0.0.1:8080") as gateway:
        batch = await gateway.submit([Path("photo.jpg"), "https://example.com/other.jpg"])
        async for event in gateway.follow(batch.job_id):
            print(event.progress)
        await gateway.download(batch.job_id, 0, to=Path("tagged.jpg"))

It imports nothing of the service.
"""

from gateway.client.answers import (
    DeadLetter,
    Event,
    Image,
    ImageRef,
    Job,
    JobChanged,
    JobDeleted,
    JobList,
    JobsNews,
    Metadata,
    MetadataPolicy,
    Options,
    SentAgain,
    Submitted,
)
from gateway.client.client import GatewayClient
from gateway.client.errors import ClientError, Closed, NoGateway, NotConnected, Refused, Unreachable
from gateway.client.live.told import FROM_THE_START
from gateway.client.sources import ImageSource

__all__ = [
    "FROM_THE_START",
    "ClientError",
    "Closed",
    "DeadLetter",
    "Event",
    "GatewayClient",
    "Image",
    "ImageRef",
    "ImageSource",
    "Job",
    "JobChanged",
    "JobDeleted",
    "JobList",
    "JobsNews",
    "Metadata",
    "MetadataPolicy",
    "NoGateway",
    "NotConnected",
    "Options",
    "Refused",
    "SentAgain",
    "Submitted",
    "Unreachable",
]
