"""The settings, as read from the environment and `.env`."""

import hashlib
import ipaddress
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self
from urllib.parse import quote, urlsplit

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

OPENAI_URL = "https://api.openai.com/v1"
OPENAI_MODEL = "gpt-4.1-mini"
MOST_DAYS = 36_500  # a hundred years


def _parse_bare_seconds(value: Any) -> Any:
    """Reads a bare number as seconds; pydantic alone would want `PT3S` or `00:00:03`."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


Duration = Annotated[timedelta, BeforeValidator(_parse_bare_seconds)]
Port = Annotated[int, Field(ge=1, le=65535)]
PortOrNone = Annotated[int, Field(ge=0, le=65535)]
Count = Annotated[int, Field(ge=1, le=100_000)]
Days = Annotated[int, Field(ge=0, le=MOST_DAYS)]
RoomScope = Literal["module", "learner", "choice"]
ModelKind = Literal["stt", "llm", "tts"]
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


class SettingsError(Exception):
    """A setting is not valid; the message says what to set."""


class TcpAddress(NamedTuple):
    host: str
    port: int


def read_tcp_address(url: str) -> TcpAddress:
    """Raises SettingsError unless it is tcp://HOST:PORT."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is not a number
        host = port = None
    if not host or not port or url.count("/") > 2:
        raise SettingsError("SPEECH_ADDRESS is not valid: write tcp://HOST:PORT, or a path")
    return TcpAddress(host, port)


class Settings(BaseSettings):
    """All settings. Defaults work offline; `.env.example` and the README list them."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", populate_by_name=True)

    bodh_env: Literal["development", "production"] = "development"
    bodh_home: Path = Path(".bodh")
    host: str = "127.0.0.1"
    port: Port = 8080
    allow_public_bind: bool = False
    public_url: str = ""
    metrics_port: PortOrNone = 0

    # media
    livekit_url: str = Field("", validation_alias=AliasChoices("LIVEKIT_URL", "LIVEKIT_WS_URL"))
    livekit_public_url: str = Field(
        "", validation_alias=AliasChoices("LIVEKIT_PUBLIC_URL", "NEXT_PUBLIC_LIVEKIT_WS_URL")
    )
    livekit_port: Annotated[int, Field(ge=1, le=65533)] = 7880  # media uses this port + 2
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
    database_pool_size: Count = 10

    # how long things are kept, in days; 0 keeps them forever
    retention_transcripts_days: Days = 395
    retention_sessions_days: Days = 730
    retention_accounts_days: Days = 1095
    retention_dead_letters_days: Days = 30
    retention_access_log_days: Days = 395

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
    auth_roles_claim: str = "roles"
    auth_role_names: str = ""
    auth_tenant_claim: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")
    oidc_scopes: str = "openid profile email"
    oidc_trust_email: bool = False
    oidc_jwks_url: str = ""
    return_origins: str = ""
    dev_login: bool = True

    # rooms and tokens
    room_scope: RoomScope = "module"
    token_ttl: Duration = Field(timedelta(hours=24), ge=MINUTE, le=timedelta(days=7))
    rate_token_per_minute: Count = 30
    empty_timeout: Duration = Field(timedelta(seconds=600), ge=SECOND, le=DAY)
    departure_timeout: Duration = Field(timedelta(seconds=600), ge=SECOND, le=DAY)
    greeting_pause: Duration = Field(timedelta(minutes=10), ge=timedelta(0), le=DAY)
    lease_heartbeat: Duration = Field(
        timedelta(seconds=0.5),
        ge=timedelta(seconds=0.05),
        le=timedelta(seconds=10),
        validation_alias=AliasChoices("LEASE_HEARTBEAT", "LEASE_BEAT"),
    )
    lease_stale: Duration = Field(timedelta(seconds=2.5), le=MINUTE)

    # the worker
    agent_name: str = "bodh-agent"
    agent_port: PortOrNone = 0
    agent_max_jobs: Count = 8
    agent_idle_processes: Annotated[int, Field(ge=0, le=100)] = 2
    agent_memory_limit_mb: Annotated[int, Field(ge=100)] = 1000
    drain_timeout: Duration = Field(timedelta(seconds=600), ge=timedelta(0), le=DAY)

    # models: local ones unless a provider is set
    whisper_model: str = "base"
    whisper_threads: Annotated[int, Field(ge=1, le=64)] = 1
    whisper_device: Literal["cpu", "cuda"] = "cpu"
    whisper_compute_type: str = ""
    speech_address: str = ""
    speech_secret: SecretStr = SecretStr("")
    stt_base_url: str = ""
    stt_model: str = ""
    stt_api_key: SecretStr = SecretStr("")
    llm_base_url: str = ""
    llm_model: str = ""
    llm_api_key: SecretStr = SecretStr("")
    prepare_answers: bool = True
    openai_api_key: SecretStr = SecretStr("")
    tts_base_url: str = ""
    tts_model: str = ""
    tts_voice: str = ""
    tts_api_key: SecretStr = SecretStr("")
    voice_model: str = "en_US-joe-medium"
    voice_threads: Annotated[int, Field(ge=1, le=64)] = 2
    voice_socket: str = ""
    espeak_voice: str = "en-us"
    espeak_rate: Annotated[int, Field(ge=80, le=450)] = 165

    @model_validator(mode="after")
    def _fill_in_urls_and_paths(self) -> Self:
        self.bodh_home = self.bodh_home.expanduser().absolute()
        if self.openai_api_key.get_secret_value() and not self.llm_base_url:
            self.llm_base_url = OPENAI_URL
            self.llm_model = self.llm_model or OPENAI_MODEL
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
    def has_provider_keys(self) -> bool:
        """True if an identity provider signs the tokens, instead of AUTH_SECRET."""
        return bool(self.oidc_issuer or self.oidc_jwks_url)

    @property
    def provider_issuer(self) -> str:
        """`iss` of the identity provider's tokens."""
        return self.oidc_issuer or self.auth_issuer

    @property
    def role_names(self) -> dict[str, str]:
        """The provider's own names of roles, in lower case, with the role that each one gives."""
        pairs = (pair.rpartition("=") for pair in self.auth_role_names.split(",") if pair.strip())
        return {name.strip().lower(): role.strip() for name, _, role in pairs}

    @property
    def allowed_return_origins(self) -> frozenset[str]:
        """Other sites to which a sign-in may return, such as `https://portal.example`."""
        return frozenset(self.return_origins.lower().replace(",", " ").split())

    @property
    def metrics_address_port(self) -> int:
        """METRICS_PORT, or the port after PORT, so that two checkouts do not collide."""
        return self.metrics_port or self.port + 1

    @property
    def speech_engine_address(self) -> Path | TcpAddress:
        """Where the speech engine listens: a Unix socket, unless SPEECH_ADDRESS is tcp://."""
        if self.speech_address.startswith("tcp://"):
            return read_tcp_address(self.speech_address)
        return Path(self.speech_address) if self.speech_address else self.run_dir / "speech.sock"

    @property
    def speech_compute_type(self) -> str:
        """By default int8 on a CPU and float16 on a GPU."""
        return self.whisper_compute_type or {"cpu": "int8", "cuda": "float16"}[self.whisper_device]

    @property
    def voice_address(self) -> Path:
        return Path(self.voice_socket) if self.voice_socket else self.run_dir / "voice.sock"

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
    def erasures_path(self) -> Path:
        """This host's list of all erasures, for a restore."""
        return self.bodh_home / "erasures" / "erasures.jsonl"

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
        return bool(self.llm_base_url)

    @property
    def provider_hosts(self) -> dict[ModelKind, str]:
        """The host of each model that runs elsewhere. A server on this machine is not a provider.

        An address without a host counts as elsewhere, under the whole address.
        """
        urls: dict[ModelKind, str] = {
            "stt": self.stt_base_url,
            "llm": self.llm_base_url,
            "tts": self.tts_base_url,
        }
        hosts = {kind: urlsplit(url).hostname or url for kind, url in urls.items() if url}
        return {kind: host for kind, host in hosts.items() if not _is_this_machine(host)}


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def read_settings_from_environment() -> Settings:
    """Reads the environment and `.env`; creates nothing and ignores BODH_HOME/secrets.

    Raises SettingsError with a line for each value that is not valid.
    """
    try:
        # `make up` has read the file, and gives each process only what it needs
        settings = Settings(_env_file=None) if "BODH_RUN" in os.environ else Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_explain_error(one) for one in error.errors())) from error
    if problems := list(_find_problems(settings)):
        raise SettingsError("\n".join(problems))
    return settings


def _explain_error(error: ErrorDetails) -> str:
    name = str(error["loc"][0]).upper() if error["loc"] else "a setting"
    return f"{name} is not valid: {error['msg']}"


def _find_problems(settings: Settings) -> Iterator[str]:
    """Yields a line for each setting that needs another one."""
    if settings.storage_url and not re.fullmatch(r"s3://[^/]+(/.*)?", settings.storage_url):
        yield "STORAGE_URL is not valid: write s3://BUCKET or s3://BUCKET/FOLDER"
    if settings.storage_url and not settings.storage_key_id:
        yield "STORAGE_URL is set: set STORAGE_KEY_ID and STORAGE_SECRET as well"
    for kind, base_url, model in (
        ("LLM", settings.llm_base_url, settings.llm_model),
        ("STT", settings.stt_base_url, settings.stt_model),
        ("TTS", settings.tts_base_url, settings.tts_model),
    ):
        if base_url and not model:
            yield f"{kind}_BASE_URL is set: set {kind}_MODEL to a model it serves"
    if settings.lease_stale < 2 * settings.lease_heartbeat:
        yield "LEASE_STALE is shorter than two heartbeats: set at least twice LEASE_HEARTBEAT"
    yield from _find_speech_address_problems(settings)
    yield from _find_sign_in_problems(settings)


def _find_speech_address_problems(settings: Settings) -> Iterator[str]:
    try:
        address = settings.speech_engine_address
    except SettingsError as error:
        yield str(error)
        return
    is_remote = isinstance(address, TcpAddress) and not _is_this_machine(address.host)
    if is_remote and not settings.speech_secret.get_secret_value():
        yield "SPEECH_ADDRESS is another machine: set SPEECH_SECRET, the same on all hosts"


def _find_sign_in_problems(settings: Settings) -> Iterator[str]:
    if settings.oidc_issuer and not settings.oidc_client_id:
        yield "OIDC_ISSUER is set: set OIDC_CLIENT_ID to the id of Bodh's client"
    if "openid" not in settings.oidc_scopes.split():
        yield "OIDC_SCOPES is not valid: it must contain openid"
    roles = ("learner", "teacher", "admin")
    if any(not name or role not in roles for name, role in settings.role_names.items()):
        yield (
            "AUTH_ROLE_NAMES is not valid: write NAME=ROLE, separated by commas, "
            "where ROLE is learner, teacher or admin"
        )
    for origin in sorted(settings.allowed_return_origins):
        if not re.fullmatch(r"https?://[^/?#@\\]+", origin):
            yield f"RETURN_ORIGINS is not valid: {origin} is not like https://portal.example"
