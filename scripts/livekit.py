"""The configuration of our own livekit-server, from the settings."""

import ipaddress
import json
import socket
from pathlib import Path
from typing import Any

from settings import Settings, SettingsError

MEDIA_OFFSET = 2  # UDP port of the media: LIVEKIT_PORT + 2


def livekit_config(settings: Settings) -> dict[str, Any]:
    """What livekit-server reads as YAML. Loopback only, unless ALLOW_PUBLIC_BIND says otherwise."""
    rtc: dict[str, Any] = {
        "udp_port": settings.livekit_port + MEDIA_OFFSET,
        "tcp_port": 0,  # its listener would be open on every interface
        "node_ip": media_address(settings.livekit_media_host),
        "use_external_ip": False,
    }
    bind = ["0.0.0.0"]  # noqa: S104 asked for by name
    if not settings.allow_public_bind:
        bind = ["127.0.0.1"]
        rtc |= {"enable_loopback_candidate": True, "interfaces": {"includes": loopback_names()}}
    return {
        "port": settings.livekit_port,
        "bind_addresses": bind,
        "rtc": rtc,
        "keys": {settings.livekit_api_key: settings.livekit_api_secret.get_secret_value()},
        # a leftover token opens nothing once its room was closed
        "room": {"auto_create": False},
        # below 1 the server drops jobs for a worker that would still take them
        "agents": {"target_load": 1.0},
        "webhook": {
            "api_key": settings.livekit_api_key,
            "urls": [f"http://127.0.0.1:{settings.port}/api/webhooks/livekit"],
        },
        "logging": {
            "level": "info",
            "pion_level": "error",
            "component_levels": {"api": "warn"},  # else a line for each look of the watcher
        },
    }


def media_address(host: str) -> str:
    """The address for the media, which the server wants as a number. Raises SettingsError."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise SettingsError(
            f"LIVEKIT_MEDIA_HOST={host} has no address: set the IP address others reach"
        ) from error


def loopback_names() -> list[str]:
    return [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]


def write_livekit_config(settings: Settings, path: Path) -> None:
    """Readable by us only: it holds the secret."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(livekit_config(settings), indent=1))
