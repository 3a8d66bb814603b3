"""The settings that production refuses, each with a line that says what to do."""

from pathlib import Path
from typing import Any

import pytest

from settings import Settings, SettingsError, list_problems, read_settings_from_environment
from settings.needs import SECRETS, secret_names

GOOD = {
    "bodh_env": "production",
    "public_url": "https://bodh.test",
    "livekit_url": "ws://livekit:7880",
    "livekit_public_url": "wss://media.bodh.test",
    "livekit_api_key": "APIabcdef",
    "livekit_api_secret": "0123456789abcdefghijklmnopqrstuvwxyz",
    "database_url": "postgresql://bodh_app:pw@db/bodh",
    "auth_secret": "zyxwvutsrqponmlkjihgfedcba9876543210",
}


def problems_with(**changes: Any) -> list[str]:
    return list_problems(Settings(_env_file=None, **{**GOOD, **changes}))


def test_complete_production_settings_are_accepted() -> None:
    assert problems_with() == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"public_url": ""}, "PUBLIC_URL is not an https address"),
        ({"public_url": "http://bodh.test"}, "PUBLIC_URL is not an https address"),
        ({"livekit_public_url": ""}, "LIVEKIT_PUBLIC_URL is not wss"),
        ({"livekit_url": ""}, "LIVEKIT_URL is not set"),
        ({"livekit_api_key": ""}, "LIVEKIT_API_KEY is not set"),
        ({"livekit_api_key": "devkey"}, "LIVEKIT_API_KEY is a placeholder"),
        ({"database_url": ""}, "DATABASE_URL is not set"),
        ({"auth_secret": ""}, "AUTH_SECRET is not set"),
        ({"auth_secret": "short-but-not-a-word"}, "AUTH_SECRET is shorter than 32 bytes"),
        ({"auth_secret": "a" * 40}, "AUTH_SECRET repeats a few characters"),
        ({"auth_secret": GOOD["auth_secret"] + " "}, "AUTH_SECRET begins or ends with a space"),
        ({"auth_secret": GOOD["livekit_api_secret"]}, "LIVEKIT_API_SECRET and AUTH_SECRET are equ"),
        ({"livekit_webhook_secret": "changeme"}, "LIVEKIT_WEBHOOK_SECRET is a placeholder"),
        (
            {"oidc_jwks_url": "http://idp.test/keys", "auth_secret": ""},
            "OIDC_JWKS_URL is not https",
        ),
        (
            {"oidc_issuer": "http://idp.test", "oidc_client_id": "bodh", "auth_secret": ""},
            "OIDC_ISSUER is not https",
        ),
    ],
)
def test_production_names_the_setting_to_change(change: dict[str, str], named: str) -> None:
    (problem,) = problems_with(**change)
    assert problem.startswith(named)
    assert "\n" not in problem


def test_all_problems_are_listed_at_once() -> None:
    assert len(problems_with(public_url="", database_url="", auth_secret="short")) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "99999999"),
        ("PORT", "0"),
        ("LIVEKIT_PORT", "65534"),
        ("DATABASE_POOL_SIZE", "0"),
        ("RATE_TOKEN_PER_MINUTE", "-1"),
        ("TOKEN_TTL", "315360000"),
        ("TOKEN_TTL", "0"),
        ("LEASE_HEARTBEAT", "0"),
        ("LEASE_STALE", "0.6"),
        ("AGENT_MAX_JOBS", "0"),
        ("ESPEAK_RATE", "10000"),
    ],
)
def test_number_out_of_range_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # there may be a .env in the checkout
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name} is "):
        read_settings_from_environment()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OIDC_ISSUER", "https://id.school.example", "set OIDC_CLIENT_ID"),
        ("OIDC_SCOPES", "profile email", "must contain openid"),
        ("AUTH_ROLE_NAMES", "staff=owner", "AUTH_ROLE_NAMES is not valid"),
        ("AUTH_ROLE_NAMES", "=admin", "AUTH_ROLE_NAMES is not valid"),
        ("AUTH_ROLE_NAMES", "staff", "AUTH_ROLE_NAMES is not valid"),
        ("RETURN_ORIGINS", "https://portal.example/home", "RETURN_ORIGINS is not valid"),
        ("RETURN_ORIGINS", "portal.example", "RETURN_ORIGINS is not valid"),
    ],
)
def test_sign_in_settings_that_do_not_fit_are_refused(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        read_settings_from_environment()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("tcp://10.0.0.5:7000", "set SPEECH_SECRET"),
        ("tcp://engine", "write tcp://HOST:PORT"),
        ("tcp://engine:port", "write tcp://HOST:PORT"),
    ],
)
def test_speech_address_that_cannot_work_is_refused(
    address: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPEECH_ADDRESS", address)
    with pytest.raises(SettingsError, match=said):
        read_settings_from_environment()


def test_every_invalid_number_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setenv("AGENT_MAX_JOBS", "0")
    with pytest.raises(SettingsError, match=r"PORT is .*\nAGENT_MAX_JOBS is "):
        read_settings_from_environment()


def test_every_secret_has_a_process_that_needs_it() -> None:
    assert frozenset().union(*SECRETS.values()) == secret_names()


def test_process_needs_only_its_own_settings_in_production() -> None:
    drain = Settings(_env_file=None, bodh_env="production", database_drain_url=GOOD["database_url"])
    assert list_problems(drain, "drain") == []
    assert [line.split()[0] for line in list_problems(drain, "watch")] == [
        "LIVEKIT_URL", "LIVEKIT_API_KEY", "DATABASE_WATCH_URL", "LIVEKIT_API_SECRET"
    ]  # fmt: skip
