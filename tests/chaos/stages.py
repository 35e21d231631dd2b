"""Which stages hold images now, seen from outside: by what clients are sending, status answers and queue depths.

An embedded gateway shows nothing of its inside but how far an image has come: analyzer and processor are one stage of
it, "pipeline".
"""

import asyncio
from collections import Counter
from collections.abc import Mapping

from tests.chaos.records import Records
from tests.chaos.world import ProductionWorld, World

EMBEDDED_STAGES = ("to store", "to fetch", "to publish", "pipeline")
PRODUCTION_STAGES = ("to store", "to fetch", "to publish", "queue", "analyzer", "processor")
"""Images lie in the results' queue so briefly that nobody can wait for it; `holdings` tells of it all the same."""
PATIENCE_S = 240

Holdings = Mapping[str, int]


def stages_of(world: World) -> tuple[str, ...]:
    """Those that can be waited for."""
    return PRODUCTION_STAGES if isinstance(world, ProductionWorld) else EMBEDDED_STAGES


async def holdings(world: World, records: Records) -> Holdings:
    """How many images (of those to store: requests) each stage holds."""
    if isinstance(world, ProductionWorld):
        return await _in_production(world, records)
    return await _in_gateway(world, records)


async def every_stage_holds_images(world: World, records: Records) -> Holdings:
    """Returns once it does. Raises AssertionError when that never happens: then the load is too low."""
    clock = asyncio.get_running_loop()
    give_up_at = clock.time() + PATIENCE_S
    while clock.time() < give_up_at:
        held = await holdings(world, records)
        if all(held[stage] for stage in stages_of(world)):
            return held
        await asyncio.sleep(0.01)
    raise AssertionError(f"never were images in every stage; at last: {shown(held)}")


def shown(held: Holdings) -> str:
    return ", ".join(f"{stage} {count}" for stage, count in held.items())


async def _in_gateway(world: World, records: Records) -> Holdings:
    counts: Counter[str] = Counter()
    for job in (await world.open_jobs()).values():
        for image in job["images"]:
            counts[_stage_of(image)] += 1
    return {"to store": records.under_way} | {stage: counts[stage] for stage in EMBEDDED_STAGES[1:]}


def _stage_of(image: Mapping[str, str]) -> str:
    """Of one in the status answer. It has a checksum once its original is stored."""
    if image["status"] not in ("pending", "processing"):
        return "ended"
    if "sha256" not in image:
        return "to fetch"
    return "to publish" if image["status"] == "pending" else "pipeline"


async def _in_production(world: ProductionWorld, records: Records) -> Holdings:
    held = dict(await _in_gateway(world, records))
    del held["pipeline"]
    depths, names = await world.depths(), world.place.names
    upload, generated, processed = (
        depths[name] for name in (names.image_upload, names.metadata_generated, names.image_processed)
    )
    return held | {
        "queue": upload.ready,
        "analyzer": upload.unacked,
        "processor": generated.ready + generated.unacked,
        "results": processed.ready + processed.unacked,
    }
