"""What the gateway is told before it starts.

The parts define their settings beside their own code; here they are composed, read from defaults, a TOML file and
the environment (in this order), and printed. Whatever is unknown or wrong stops the start with one message that
names it. Nothing else in the service reads the environment.
"""

from gateway.settings.composed import HttpSettings, Role, Settings
from gateway.settings.loading import LoadedSettings, load
from gateway.settings.mode import check_gateway, check_worker
from gateway.settings.printing import describe
from gateway.settings.sources import SettingsError

__all__ = [
    "HttpSettings",
    "LoadedSettings",
    "Role",
    "Settings",
    "SettingsError",
    "check_gateway",
    "check_worker",
    "describe",
    "load",
]
