"""Plain curl, as a user types it."""

import asyncio
import json
from typing import Any

from attrs import frozen

from tests.patience import PATIENCE_S


@frozen
class Answer:
    """What came back; header names in lower case, of several with one name the first."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def curl(*arguments: object, stdin: bytes = b"") -> Answer:
    """Run `curl ARGUMENTS` to its end; `stdin` is what `@-` reads."""
    process = await asyncio.create_subprocess_exec(
        "curl", "-sS", "-w", '%{stderr}{"status": %{http_code}, "headers": %{header_json}}',
        *map(str, arguments),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_S):
        body, told = await process.communicate(stdin)
    assert process.returncode == 0, told.decode()
    facts = json.loads(told)
    return Answer(facts["status"], {name: values[0] for name, values in facts["headers"].items()}, body)
