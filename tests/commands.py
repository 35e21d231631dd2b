"""The shell's commands as a user runs them: real processes."""

import asyncio
import os
import sys
from collections.abc import Mapping

from attrs import frozen

from tests.patience import PATIENCE_S
from tests.servers.gateway import OUR_VARIABLES


@frozen
class Ended:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


async def start(
    *args: object, env: Mapping[str, str] = {}, stdout: int = asyncio.subprocess.PIPE
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", *map(str, args), env=clean_environment() | dict(env),
        stdout=stdout, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def run(*args: object, env: Mapping[str, str] = {}) -> Ended:
    process = await start(*args, env=env)
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


def clean_environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith(OUR_VARIABLES)}
