"""Why an image failed, as stable words of the API; docs/BATCH_API.md says what each means.

Ground floor: analyzer and processor give them, messages carry them, and jobs, metrics and schemas know them.
"""

from typing import Final

ANALYSIS_FAILED: Final = "analysis_failed"
ANALYSIS_REFUSED: Final = "analysis_refused"
ANALYSIS_CRASHED: Final = "analysis_crashed"
ANALYSIS_UNAVAILABLE: Final = "analysis_unavailable"
TAGGING_FAILED: Final = "tagging_failed"
INTERRUPTED: Final = "interrupted"

ANALYSIS_CODES: Final = (
    ANALYSIS_FAILED,
    ANALYSIS_UNAVAILABLE,
    ANALYSIS_REFUSED,
    "analysis_unreadable",
    ANALYSIS_CRASHED,
)
"""What an analyzer may say with a message that it rejects."""
NOT_ASKED_AGAIN: Final = (ANALYSIS_REFUSED, ANALYSIS_CRASHED)
"""Of these: another attempt would end likewise, and cost as much."""
TAGGING_CODES: Final = (TAGGING_FAILED, "image_data_changed")
"""What a processor may say with a result that failed."""

FAILURE_CODES: Final = (
    "too_large",
    "not_an_image",
    "unsupported_type",
    "damaged",
    "bad_base64",
    "decompression_bomb",
    "polyglot",
    "too_many_frames",
    "too_many_pixels",
    "too_much_metadata",
    "trailing_data",
    "download_failed",
    "download_refused",
    "not_found",
    *ANALYSIS_CODES,
    *TAGGING_CODES,
    "no_result",
    INTERRUPTED,
    "storage_failed",
)
