"""Secrets of a development machine, made at the first start and kept in BODH_HOME/secrets."""

import os
import secrets
from pathlib import Path

from pydantic import SecretStr

from settings.environment import Settings


def fill_in_and_create_secrets(settings: Settings) -> Settings:
    """Fills in missing secrets from BODH_HOME/secrets; creates the files at the first start."""
    folder = settings.bodh_home / "secrets"
    if not settings.livekit_api_key:
        settings.livekit_api_key = "bodhdev"
    if not settings.livekit_api_secret.get_secret_value():
        settings.livekit_api_secret = SecretStr(read_or_create_secret(folder / "livekit"))
    if not settings.auth_secret.get_secret_value():
        settings.auth_secret = SecretStr(read_or_create_secret(folder / "auth"))
    return settings


def read_or_create_secret(path: Path) -> str:
    """The secret in a file of mode 0600, created if missing.

    Safe to call from several processes at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    if not path.exists():
        draft.write_text(secrets.token_urlsafe(36))
        draft.chmod(0o600)
        try:
            os.link(draft, path)  # atomic, and never replaces the file of a faster process
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
