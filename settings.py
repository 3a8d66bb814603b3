"""Settings from the environment: read once at an entry point and passed down."""

import hashlib
import os
import re
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

PLACEHOLDERS = ("changeme", "placeholder", "example", "devkey", "secret", "bodh-dev")
MIN_SECRET_BYTES = 32  # PyJWT and livekit-server warn about shorter ones on every token


def _read_bare_seconds(value: Any) -> Any:
    """Reads a bare number as seconds; pydantic alone would want `PT3S` or `00:00:03`."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


Duration = Annotated[timedelta, BeforeValidator(_read_bare_seconds)]


class Settings(BaseSettings):
    """All settings. Defaults work offline; `.env.example` and the README list them."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)

    bodh_env: Literal["development", "production"] = "development"
    bodh_home: Path = Path(".bodh")
    host: str = "127.0.0.1"
    port: int = 8080
    allow_public_bind: bool = False
    public_url: str = ""
    metrics_port: int = 0

    # media
    livekit_url: str = Field("", validation_alias=AliasChoices("LIVEKIT_URL", "LIVEKIT_WS_URL"))
    livekit_public_url: str = Field(
        "", validation_alias=AliasChoices("LIVEKIT_PUBLIC_URL", "NEXT_PUBLIC_LIVEKIT_WS_URL")
    )
    livekit_port: int = 7880
    livekit_media_host: str = "127.0.0.1"
    livekit_api_key: str = ""
    livekit_api_secret: SecretStr = SecretStr("")
    livekit_webhook_secret: SecretStr = SecretStr("")

    # data
    database_url: str = ""
    database_owner_url: str = ""
    database_drain_url: str = ""
    database_watch_url: str = ""
    database_jobs_url: str = ""
    database_pool_size: int = 10

    # stored objects
    storage_url: str = ""
    storage_endpoint: str = ""
    storage_region: str = "us-east-1"
    storage_key_id: str = ""
    storage_secret: SecretStr = SecretStr("")

    # sign-in
    auth_secret: SecretStr = SecretStr("")
    auth_issuer: str = "bodh"
    auth_audience: str = "bodh"
    oidc_jwks_url: str = ""
    dev_login: bool = True

    # rooms and tokens
    room_scope: Literal["module", "learner"] = "module"
    token_ttl: Duration = timedelta(hours=24)
    rate_token_per_minute: int = 30
    empty_timeout: Duration = timedelta(seconds=600)
    departure_timeout: Duration = timedelta(seconds=600)
    greeting_pause: Duration = timedelta(minutes=10)
    lease_heartbeat: Duration = Field(
        timedelta(seconds=0.5), validation_alias=AliasChoices("LEASE_HEARTBEAT", "LEASE_BEAT")
    )
    lease_stale: Duration = timedelta(seconds=2.5)

    # the worker
    agent_name: str = "bodh-agent"
    agent_port: int = 0
    agent_max_jobs: int = 8
    agent_idle_processes: int = 2
    agent_memory_limit_mb: int = 1000
    drain_timeout: Duration = timedelta(seconds=600)

    # models: local ones unless a provider is set
    whisper_model: str = "base.en"
    whisper_threads: int = 1
    speech_socket: str = ""
    stt_base_url: str = ""
    stt_model: str = ""
    stt_api_key: SecretStr = SecretStr("")
    llm_base_url: str = ""
    llm_model: str = ""
    llm_api_key: SecretStr = SecretStr("")
    openai_api_key: SecretStr = SecretStr("")
    tts_base_url: str = ""
    tts_model: str = ""
    tts_voice: str = ""
    tts_api_key: SecretStr = SecretStr("")
    espeak_voice: str = "en-us"
    espeak_rate: int = 165

    @model_validator(mode="after")
    def _complete(self) -> Self:
        self.bodh_home = self.bodh_home.expanduser().absolute()
        self.public_url = self.public_url or f"http://127.0.0.1:{self.port}"
        return self

    @property
    def embedded_livekit(self) -> bool:
        """True without LIVEKIT_URL: `make up` starts livekit-server."""
        return not self.livekit_url

    @property
    def embedded_postgres(self) -> bool:
        """True without DATABASE_URL: `python -m db serve` runs Postgres."""
        return not self.database_url

    @property
    def livekit_internal_url(self) -> str:
        return self.livekit_url or f"ws://127.0.0.1:{self.livekit_port}"

    @property
    def livekit_client_url(self) -> str:
        if self.livekit_public_url:
            return self.livekit_public_url
        if self.livekit_url:
            return self.livekit_url
        return f"ws://{self.livekit_media_host}:{self.livekit_port}"

    @property
    def metrics_address_port(self) -> int:
        """METRICS_PORT, or the port after PORT, so that two checkouts do not collide."""
        return self.metrics_port or self.port + 1

    @property
    def speech_address(self) -> Path:
        return Path(self.speech_socket) if self.speech_socket else self.run_dir / "speech.sock"

    @property
    def postgres_socket_dir(self) -> Path:
        return self.run_dir / "pg"

    @property
    def run_dir(self) -> Path:
        """The folder for sockets: in BODH_HOME, or in /tmp if that path is too long."""
        inside = self.bodh_home / "run"
        if len(str(inside)) <= 70:  # the kernel allows 108 bytes, with the name of the socket
            return inside
        digest = hashlib.sha256(os.fsencode(self.bodh_home)).hexdigest()[:12]
        return Path("/tmp") / f"bodh-{os.getuid()}-{digest}"  # noqa: S108 created 0700, owner checked

    @property
    def spool_path(self) -> Path:
        return self.bodh_home / "spool" / "spool.sqlite3"

    @property
    def storage_dir(self) -> Path:
        """Folder of the stored objects, if no STORAGE_URL is set."""
        return self.bodh_home / "storage"

    @property
    def inbox_path(self) -> Path:
        return self.bodh_home / "inbox" / "inbox.sqlite3"

    @property
    def app_dsn(self) -> str:
        return self.database_url or self._embedded_dsn("bodh_app")

    @property
    def drain_dsn(self) -> str:
        return self.database_drain_url or self.database_url or self._embedded_dsn("bodh_drain")

    @property
    def watch_dsn(self) -> str:
        return self.database_watch_url or self.database_url or self._embedded_dsn("bodh_watch")

    @property
    def jobs_dsn(self) -> str:
        return self.database_jobs_url or self.database_url or self._embedded_dsn("bodh_jobs")

    @property
    def owner_dsn(self) -> str:
        """For migrations only."""
        return self.database_owner_url or self.database_url or self._embedded_dsn("bodh_owner")

    def _embedded_dsn(self, role: str) -> str:
        return f"postgresql://{role}@/bodh?host={quote(str(self.postgres_socket_dir))}"

    @property
    def llm_key(self) -> str:
        """The key, or "none": a local server requires a value but ignores it."""
        return (
            self.llm_api_key.get_secret_value() or self.openai_api_key.get_secret_value() or "none"
        )

    @property
    def cloud_llm(self) -> bool:
        """True if a language model is configured instead of the offline tutor."""
        return bool(self.llm_base_url and self.llm_model) or bool(
            self.openai_api_key.get_secret_value()
        )


def prepare_settings() -> Settings:
    """Reads and checks the settings; in development, creates missing secrets in BODH_HOME.

    Raises SettingsError.
    """
    settings = read_settings_without_secrets()
    if settings.bodh_env == "production":
        check_production(settings)
        settings.dev_login = False
        return settings
    if not settings.allow_public_bind and settings.host not in ("127.0.0.1", "localhost", "::1"):
        raise SettingsError(
            f"HOST={settings.host} is open to other machines in development: "
            "set ALLOW_PUBLIC_BIND=true to allow it, or BODH_ENV=production"
        )
    return ensure_development_secrets(settings)


def read_settings_without_secrets() -> Settings:
    """Reads the environment and `.env`; creates nothing and ignores BODH_HOME/secrets.

    Raises SettingsError for the first value that is not valid.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "a setting"
        raise SettingsError(f"{name} is not valid: {first['msg']}") from error
    if settings.storage_url and not re.fullmatch(r"s3://[^/]+(/.*)?", settings.storage_url):
        raise SettingsError("STORAGE_URL is not valid: write s3://BUCKET or s3://BUCKET/FOLDER")
    if settings.storage_url and not settings.storage_key_id:
        raise SettingsError("STORAGE_URL is set: set STORAGE_KEY_ID and STORAGE_SECRET as well")
    for kind, base_url, model in (
        ("LLM", settings.llm_base_url, settings.llm_model),
        ("STT", settings.stt_base_url, settings.stt_model),
        ("TTS", settings.tts_base_url, settings.tts_model),
    ):
        if base_url and not model:
            raise SettingsError(f"{kind}_BASE_URL is set: set {kind}_MODEL to a model it serves")
    return settings


class SettingsError(Exception):
    pass


def check_production(settings: Settings) -> None:
    """Raises SettingsError if a required setting is missing, a placeholder or too short."""
    needed = {
        "LIVEKIT_URL": settings.livekit_url,
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret.get_secret_value(),
        "DATABASE_URL": settings.database_url,
    }
    if not settings.oidc_jwks_url:
        needed["AUTH_SECRET"] = settings.auth_secret.get_secret_value()
    for name, value in needed.items():
        if not value:
            raise SettingsError(f"{name} is not set: BODH_ENV=production needs it")
        if name.endswith(("SECRET", "KEY")) and any(p in value.lower() for p in PLACEHOLDERS):
            raise SettingsError(f"{name} is a placeholder: set the real one")
        if name.endswith("SECRET") and len(value.encode()) < MIN_SECRET_BYTES:
            raise SettingsError(
                f"{name} is shorter than {MIN_SECRET_BYTES} bytes: set a longer one"
            )


def ensure_development_secrets(settings: Settings) -> Settings:
    """Fills in missing secrets from BODH_HOME/secrets; creates the files at the first start."""
    folder = settings.bodh_home / "secrets"
    if not settings.livekit_api_key:
        settings.livekit_api_key = "bodhdev"
    if not settings.livekit_api_secret.get_secret_value():
        settings.livekit_api_secret = SecretStr(ensure_secret(folder / "livekit"))
    if not settings.auth_secret.get_secret_value():
        settings.auth_secret = SecretStr(ensure_secret(folder / "auth"))
    return settings


def ensure_secret(path: Path) -> str:
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
