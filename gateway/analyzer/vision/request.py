"""The body of a request, with the members that nearly every server of chat completions knows. Pure.

No `response_format`: servers differ in which kinds they know, and some refuse a request for one that they do not. The
prompt asks for JSON, and the answer is read with patience. OpenAI's newer models decline `max_tokens`, which they call
`max_completion_tokens`, and any `temperature` but their own.
"""

from collections.abc import Collection
from typing import Any

import orjson

from gateway.analyzer.vision.settings import VisionSettings


def request_body(
    settings: VisionSettings, prompt: str, data_url: str, declined: Collection[str] = ()
) -> bytes:
    """Asks the model of `settings` about one picture, without the members that it has declined."""
    image = {"type": "image_url", "image_url": {"url": data_url}}
    body: dict[str, Any] = {
        "model": settings.model,
        "max_completion_tokens" if "max_tokens" in declined else "max_tokens": settings.max_tokens,
        "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}, image]}],
    }
    if "temperature" not in declined:
        body["temperature"] = settings.temperature
    if settings.is_openrouter:
        body["usage"] = {"include": True}  # it tells the cost then
    return orjson.dumps(body)
