"""Configures our livekit-server from the settings."""

import ipaddress
import json
import socket
from pathlib import Path
from typing import Any

from settings import Settings, SettingsError

MEDIA_OFFSET = 2  # UDP port of the media: LIVEKIT_PORT + 2


def build_livekit_config(settings: Settings) -> dict[str, Any]:
    """livekit-server's YAML. Listens on loopback only, unless ALLOW_PUBLIC_BIND is set."""
    rtc: dict[str, Any] = {
        "udp_port": settings.livekit_port + MEDIA_OFFSET,
        "tcp_port": 0,  # off: it would listen on every interface
        "node_ip": resolve_media_address(settings.livekit_media_host),
        "use_external_ip": False,
    }
    bind = ["0.0.0.0"]  # noqa: S104 ALLOW_PUBLIC_BIND is set
    if not settings.allow_public_bind:
        bind = ["127.0.0.1"]
        rtc |= {"enable_loopback_candidate": True, "interfaces": {"includes": loopback_names()}}
    return {
        "port": settings.livekit_port,
        "bind_addresses": bind,
        "rtc": rtc,
        "keys": {settings.livekit_api_key: settings.livekit_api_secret.get_secret_value()},
        # an old token must not reopen a closed room
        "room": {"auto_create": False},
        # below 1, the server withholds jobs from workers that still have room
        "agents": {"target_load": 1.0},
        "webhook": {
            "api_key": settings.livekit_api_key,
            "urls": [f"http://127.0.0.1:{settings.port}/api/webhooks/livekit"],
        },
        "logging": {
            "level": "info",
            "pion_level": "error",
            "component_levels": {"api": "warn"},  # else the watcher's polling fills the log
        },
    }


def resolve_media_address(host: str) -> str:
    """The IP address of the host, as the server requires. Raises SettingsError."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return socket.gethostbyname(host)
    except OSError as error:
        raise SettingsError(
            f"LIVEKIT_MEDIA_HOST={host} can't be resolved: set the IP address that clients reach"
        ) from error


def loopback_names() -> list[str]:
    return [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]


def write_livekit_config(settings: Settings, path: Path) -> None:
    """Readable only by its owner, because it contains the API secret."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(build_livekit_config(settings), indent=1))
