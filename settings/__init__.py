"""Settings from the environment: read once at an entry point and passed down."""

from settings.development import fill_in_and_create_secrets as fill_in_and_create_secrets
from settings.environment import MOST_DAYS as MOST_DAYS
from settings.environment import ModelKind as ModelKind
from settings.environment import RoomScope as RoomScope
from settings.environment import Settings as Settings
from settings.environment import SettingsError as SettingsError
from settings.environment import TcpAddress as TcpAddress
from settings.environment import read_settings_from_environment as read_settings_from_environment
from settings.needs import Process as Process
from settings.production import list_problems as list_problems


def prepare_settings(process: Process | None = None) -> Settings:
    """Reads and checks the settings; in development, creates missing secrets in BODH_HOME.

    Production demands only what the process needs; without a process, what all of them need.
    Raises SettingsError.
    """
    settings = read_settings_from_environment()
    if settings.bodh_env == "production":
        if problems := list_problems(settings, process):
            raise SettingsError("\n".join(problems))
        settings.dev_login = False
        return settings
    if not settings.allow_public_bind and settings.host not in ("127.0.0.1", "localhost", "::1"):
        raise SettingsError(
            f"HOST={settings.host} is open to other machines in development: "
            "set ALLOW_PUBLIC_BIND=true to allow it, or BODH_ENV=production"
        )
    return fill_in_and_create_secrets(settings)
