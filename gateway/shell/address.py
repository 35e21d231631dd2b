"""Where the gateway of some settings is to be asked, from the same machine."""

from gateway.settings import HttpSettings, SettingsError

ALL_ADDRESSES = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - asked of, not bound to


def url_of(settings: HttpSettings) -> str:
    """http://host:port, or unix:///path without TCP. Raises SettingsError when it can't be known."""
    if not settings.tcp:
        return f"unix://{settings.socket}"
    if not settings.port:
        raise SettingsError("with http.port = 0 only the gateway itself knows its port")
    host = host_of(settings)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def host_of(settings: HttpSettings) -> str:
    return ALL_ADDRESSES.get(settings.host, settings.host)
