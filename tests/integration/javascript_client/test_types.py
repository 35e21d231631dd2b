"""batch.d.ts says what batch.js has, and what the gateway sends.

There is no TypeScript in the test's surroundings: the module is asked in a browser for what it has, the interfaces are
compared with the schemas of the OpenAPI document, and both with what the declarations name.
"""

import re
from typing import Any

import pytest

from tests.servers.browser import Page
from tests.servers.quiet_gateway import QuietGateway

pytestmark = pytest.mark.asyncio(loop_scope="package")

EXPORTS = """
const module = await import("{base_url}/static/batch.js");
for (const [name, exported] of Object.entries(module)) {{
  const isClass = /^class\\b/.test(exported);
  const members = isClass ? Object.getOwnPropertyNames(exported.prototype).filter((one) => one !== "constructor") : [];
  const needed = members.map((member) => [member, exported.prototype[member].length]);
  console.log([name, isClass ? Object.fromEntries(needed) : exported.length]);
}}
"""
CLASS = re.compile(r"^export declare class (\w+)[^{]*\{(.*?)\}$", re.MULTILINE | re.DOTALL)
FUNCTION = re.compile(r"^export declare function (\w+)\((.*?)\):", re.MULTILINE | re.DOTALL)
METHOD = re.compile(r"^  (?!constructor)(\w+)\((.*?)\):", re.MULTILINE | re.DOTALL)
PARAMETER = re.compile(r"(\w+)(\??): (?:[^,{]|\{[^}]*\})+")
INTERFACE = re.compile(r"^export interface (\w+)(?: extends (\w+))? \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FOLLOWED_JOBS = re.compile(r"^export interface FollowedJobs [^{]*\{(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^  (\w+)(\??):", re.MULTILINE)

OF_SCHEMAS = (
    "Batch", "BatchSummary", "CreatedBatch", "Fault", "Image", "ImageComplete", "JobChanged", "JobComplete",
    "JobDeleted", "Jobs", "Metadata", "Opening", "Progress",
)  # fmt: skip
"""The interfaces that are called as the schema that they stand for."""


def required(parameters: str) -> int:
    """How many of them must be given: what JavaScript calls the length of a function."""
    return sum(not optional for _, optional in PARAMETER.findall(parameters))


def declared(text: str) -> dict[str, Any]:
    functions = {name: required(parameters) for name, parameters in FUNCTION.findall(text)}
    return functions | {
        name: {method: required(parameters) for method, parameters in METHOD.findall(body)}
        for name, body in CLASS.findall(text)
    }


async def test_they_declare_what_the_module_exports(page: Page, quiet: QuietGateway) -> None:
    async with quiet.http.get("/static/batch.d.ts") as answer:
        types = await answer.text()
    exports = dict(await page.run(EXPORTS.format(base_url=f"http://127.0.0.1:{quiet.port}")))
    assert declared(types) == exports


async def test_they_declare_what_changes_the_jobs_that_are_followed(page: Page, quiet: QuietGateway) -> None:
    async with quiet.http.get("/static/batch.d.ts") as answer:
        (body,) = FOLLOWED_JOBS.findall(await answer.text())
    client = f'const {{ BatchClient }} = await import("http://127.0.0.1:{quiet.port}/static/batch.js");'
    (added,) = await page.run(f"{client} console.log(Object.keys(new BatchClient().followMany([])));")
    assert [method for method, _ in METHOD.findall(body)] == added


def interfaces(text: str) -> dict[str, dict[str, bool]]:
    """Whether each field is always there, those of what it extends included."""
    found: dict[str, dict[str, bool]] = {}
    for name, extended, body in INTERFACE.findall(text):
        own = {field: not optional for field, optional in FIELD.findall(body)}
        found[name] = found.get(extended, {}) | own
    return found


@pytest.mark.parametrize("name", OF_SCHEMAS)
async def test_an_interface_has_the_fields_of_its_schema(quiet: QuietGateway, name: str) -> None:
    async with quiet.http.get("/static/batch.d.ts") as answer:
        fields = interfaces(await answer.text())[name]
    async with quiet.http.get("/api/v1/openapi.json") as answer:
        schema = (await answer.json())["components"]["schemas"][name]
    assert fields == {field: field in schema["required"] for field in schema["properties"]}
