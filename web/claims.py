"""What a verified token says about a person: the claims of all providers, read in one way."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from db.roles import strongest_role
from protocol import Role
from settings import Settings
from web.errors import SignInRequired

DEFAULT_TENANT_CLAIM = "tenant"


@dataclass(frozen=True)
class Claims:
    """The account that a verified token is for.

    `tenant` is a slug, None if the token names none. `email` is verified and in lower case.
    """

    subject: str
    name: str
    role: Role
    tenant: str | None
    email: str | None = None
    issued_at: datetime | None = field(default=None, compare=False)


def parse_claims(settings: Settings, payload: Mapping[str, Any]) -> Claims:
    """Raises SignInRequired if a claim is not valid for an account."""
    name, tenant = _shown_name(payload), _tenant_slug(settings, payload)
    subject = payload["sub"]
    if not all(_is_storable(text) for text in (subject, name, "-" if tenant is None else tenant)):
        raise SignInRequired
    return Claims(
        subject=subject,
        name=name,
        role=strongest_role(_role_names(settings, payload)),
        tenant=tenant,
        email=_verified_email(settings, payload),
        issued_at=_issued_at(payload),
    )


def find_claim(payload: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by a path of names with dots between them. None if missing.

    Names may contain dots themselves, like that of a namespaced claim.
    """
    if path in payload:
        return payload[path]
    for at in (at for at, letter in enumerate(path) if letter == "."):
        inner = payload.get(path[:at])
        if isinstance(inner, Mapping) and (found := find_claim(inner, path[at + 1 :])) is not None:
            return found
    return None


def _shown_name(payload: Mapping[str, Any]) -> Any:
    """The name to show to others, so never a whole e-mail address."""
    given = (payload.get("given_name"), payload.get("family_name"))
    full = " ".join(part for part in given if isinstance(part, str) and part)
    name = payload.get("name") or full or payload.get("preferred_username") or "User"
    return name.partition("@")[0] or name if isinstance(name, str) else name


def _tenant_slug(settings: Settings, payload: Mapping[str, Any]) -> Any:
    """Raises SignInRequired if the claim that a setting names is missing."""
    wanted = settings.auth_tenant_claim
    tenant = find_claim(payload, wanted or DEFAULT_TENANT_CLAIM) or None
    if wanted and tenant is None:
        raise SignInRequired
    return tenant


def _role_names(settings: Settings, payload: Mapping[str, Any]) -> Iterable[str]:
    """The names in the roles' claim, a list or a text, translated where a setting says so."""
    found = find_claim(payload, settings.auth_roles_claim)
    if isinstance(found, str):
        found = found.replace(",", " ").split()
    listed = found if isinstance(found, list) else []
    mapped = settings.role_names
    return [mapped.get(name.lower(), name) for name in listed if isinstance(name, str)]


def _verified_email(settings: Settings, payload: Mapping[str, Any]) -> str | None:
    """None unless the provider has verified the address, or a setting trusts it."""
    email, verified = payload.get("email"), payload.get("email_verified")
    trusted = verified in (True, "true") or (verified is None and settings.oidc_trust_email)
    if not (trusted and isinstance(email, str) and _is_storable(email) and "@" in email):
        return None
    return email.lower()


def _issued_at(payload: Mapping[str, Any]) -> datetime | None:
    at = payload.get("iat")
    return datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else None


def _is_storable(text: object) -> bool:
    """Whether it can be stored: 1 to 255 printable characters."""
    return isinstance(text, str) and 0 < len(text) <= 255 and text.isprintable()
