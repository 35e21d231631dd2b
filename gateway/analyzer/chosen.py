"""Which providers a deployment has chosen, and whether they can work. Pure."""

from collections.abc import Sequence

from gateway.analyzer.settings import AnalyzerSettings
from gateway.analyzer.vision.settings import VisionSettings


def chosen_providers(analyzer: AnalyzerSettings, vision: VisionSettings) -> Sequence[str]:
    """Their names, in turn."""
    return analyzer.providers or (("vision",) if vision.api_key else ("local",))


def lacks_a_key(analyzer: AnalyzerSettings, vision: VisionSettings) -> bool:
    """Whether OpenRouter is to be asked, which answers nobody without a key."""
    return "vision" in chosen_providers(analyzer, vision) and vision.is_openrouter and not vision.api_key
