"""Which process needs which secrets: each gets those, and no others."""

from typing import Literal, get_args

from pydantic import SecretStr

from settings.environment import Settings

Process = Literal[
    "web", "agent", "drain", "watch", "jobs", "db", "speech", "voice", "livekit", "postgres"
]
PROCESSES: tuple[Process, ...] = get_args(Process)

MODEL_KEYS = frozenset({"STT_API_KEY", "LLM_API_KEY", "OPENAI_API_KEY", "TTS_API_KEY"})
ROLE_URLS = ("DATABASE_OWNER_URL", "DATABASE_DRAIN_URL", "DATABASE_WATCH_URL", "DATABASE_JOBS_URL")
SECRETS: dict[Process, frozenset[str]] = {
    "web": frozenset(
        {
            "DATABASE_URL",
            "LIVEKIT_API_SECRET",
            "LIVEKIT_WEBHOOK_SECRET",
            "STORAGE_SECRET",
            "AUTH_SECRET",
            "OIDC_CLIENT_SECRET",
        }
    ),
    "agent": frozenset({"DATABASE_URL", "LIVEKIT_API_SECRET", "SPEECH_SECRET"}) | MODEL_KEYS,
    "drain": frozenset({"DATABASE_DRAIN_URL"}),
    "watch": frozenset({"DATABASE_WATCH_URL", "LIVEKIT_API_SECRET", "SPEECH_SECRET"}),
    "jobs": frozenset({"DATABASE_JOBS_URL", "STORAGE_SECRET"}),
    "db": frozenset({"DATABASE_URL", "DATABASE_OWNER_URL", "STORAGE_SECRET"}),
    "speech": frozenset({"SPEECH_SECRET"}),
    "voice": frozenset(),
    "livekit": frozenset(),  # reads its key from its own file
    "postgres": frozenset(),
}


def secret_names() -> frozenset[str]:
    """Every setting that is a secret, or an address with a password in it."""
    fields = Settings.model_fields.items()
    secret = {name.upper() for name, field in fields if field.annotation is SecretStr}
    return frozenset(secret | {"DATABASE_URL", *ROLE_URLS})


def unneeded_secrets(process: Process) -> list[str]:
    return sorted(secret_names() - SECRETS[process])
