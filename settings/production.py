"""What production demands of the settings. Each problem is one line that says what to do."""

from itertools import combinations
from urllib.parse import urlsplit

from settings.environment import Settings
from settings.needs import SECRETS, Process

PLACEHOLDERS = ("changeme", "placeholder", "example", "devkey", "secret", "bodh-dev")
MIN_SECRET_BYTES = 32  # PyJWT and livekit-server warn about shorter ones on every token
MIN_DIFFERENT = 10  # characters in a secret; random ones of 32 have more


def list_problems(settings: Settings, process: Process | None = None) -> list[str]:
    """What the process would refuse, or any process."""
    problems = [*_list_missing(settings, process), *_list_bad_secrets(settings)]
    return problems + (_list_bad_addresses(settings) if process in (None, "web") else [])


def _list_missing(settings: Settings, process: Process | None) -> list[str]:
    given = {
        "LIVEKIT_URL": settings.livekit_url,
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret.get_secret_value(),
        "AUTH_SECRET": settings.auth_secret.get_secret_value() or settings.has_provider_keys,
        "DATABASE_URL": settings.database_url,
        "DATABASE_OWNER_URL": settings.database_owner_url or settings.database_url,
        "DATABASE_DRAIN_URL": settings.database_drain_url or settings.database_url,
        "DATABASE_WATCH_URL": settings.database_watch_url or settings.database_url,
        "DATABASE_JOBS_URL": settings.database_jobs_url or settings.database_url,
    }
    return [
        f"{name} is not set: BODH_ENV=production needs it"
        for name in _needed_settings(process)
        if not given.get(name, True)
    ]


def _needed_settings(process: Process | None) -> list[str]:
    if process is None:
        return [
            "LIVEKIT_URL",
            "LIVEKIT_API_KEY",
            "LIVEKIT_API_SECRET",
            "DATABASE_URL",
            "AUTH_SECRET",
        ]
    secrets = sorted(SECRETS[process])
    return (
        ["LIVEKIT_URL", "LIVEKIT_API_KEY", *secrets] if "LIVEKIT_API_SECRET" in secrets else secrets
    )


def _list_bad_secrets(settings: Settings) -> list[str]:
    given = {name: value for name, value in _given_secrets(settings).items() if value}
    problems = [
        f"{name} {why}" for name, value in given.items() if (why := _find_weakness(name, value))
    ]
    problems += [
        f"{one} and {other} are equal: set a different value for each"
        for one, other in combinations(given, 2)
        if given[one] == given[other]
    ]
    return problems


def _given_secrets(settings: Settings) -> dict[str, str]:
    return {
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret.get_secret_value(),
        "LIVEKIT_WEBHOOK_SECRET": settings.livekit_webhook_secret.get_secret_value(),
        "AUTH_SECRET": settings.auth_secret.get_secret_value(),
    }


def _find_weakness(name: str, value: str) -> str:
    """What is wrong with a secret and what to do, or an empty string."""
    if any(placeholder in value.lower() for placeholder in PLACEHOLDERS):
        return "is a placeholder: set the real one"
    if value != value.strip():
        return "begins or ends with a space: remove it"
    if not name.endswith("SECRET"):
        return ""
    if len(value.encode()) < MIN_SECRET_BYTES:
        return f"is shorter than {MIN_SECRET_BYTES} bytes: set a longer one"
    if len(set(value)) < MIN_DIFFERENT:
        return (
            "repeats a few characters: set a random one, such as `openssl rand -base64 36` prints"
        )
    return ""


def _list_bad_addresses(settings: Settings) -> list[str]:
    problems = []
    if _scheme(settings.public_url) != "https":
        problems.append(
            "PUBLIC_URL is not an https address: browsers allow the microphone only over https, "
            "so put a proxy with a certificate in front and set its address"
        )
    if settings.livekit_url and _scheme(settings.livekit_client_url) not in ("wss", "https"):
        problems.append(
            "LIVEKIT_PUBLIC_URL is not wss: an https page may not connect to it, "
            "so set the wss address of the media server"
        )
    for name, address in (
        ("OIDC_ISSUER", settings.oidc_issuer),
        ("OIDC_JWKS_URL", settings.oidc_jwks_url),
    ):
        if address and _scheme(address) != "https":
            problems.append(f"{name} is not https: anyone on the way could replace the keys")
    return problems


def _scheme(url: str) -> str:
    return urlsplit(url).scheme.lower()
