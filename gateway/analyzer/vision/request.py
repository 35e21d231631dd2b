"""The body of a request, with the members that every server of chat completions knows. Pure.

No `response_format`: servers differ in which kinds they know, and some refuse a request for one that they do not. The
prompt asks for JSON, and the answer is read with patience.
"""

from typing import Any

import orjson

from gateway.analyzer.vision.settings import VisionSettings


def request_body(settings: VisionSettings, prompt: str, data_url: str) -> bytes:
    """Asks the model of `settings` about one picture."""
    image = {"type": "image_url", "image_url": {"url": data_url}}
    body: dict[str, Any] = {
        "model": settings.model,
        "max_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}, image]}],
    }
    if settings.is_openrouter:
        body["usage"] = {"include": True}  # it tells the cost then
    return orjson.dumps(body)
