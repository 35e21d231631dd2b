"""Where the API lies."""

from typing import Final

PREFIX: Final = "/api/v1"
BATCHES: Final = f"{PREFIX}/batch"
BATCH: Final = f"{BATCHES}/{{job_id}}"
OPENAPI: Final = f"{PREFIX}/openapi.json"
ASYNCAPI: Final = f"{PREFIX}/asyncapi.json"
