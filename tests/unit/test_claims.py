"""What tokens of the usual identity providers say about a person, and which claims are ignored."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from settings import Settings
from web.claims import Claims, find_claim, parse_claims
from web.errors import SignInRequired

GROUP = "5f1c3a90-0000-4000-8000-00000000000a"


@dataclass(frozen=True)
class Shape:
    """A provider's token and the settings that fit it."""

    payload: dict[str, Any]
    expected: Claims
    settings: dict[str, Any] = field(default_factory=dict)


SHAPES = {
    "keycloak": Shape(
        {
            "iss": "https://id.school.example/realms/school",
            "aud": ["bodh", "account"],
            "azp": "bodh",
            "sub": "f3b1",
            "typ": "Bearer",
            "name": "Amina Khan",
            "given_name": "Amina",
            "family_name": "Khan",
            "preferred_username": "amina",
            "email": "Amina@School.example",
            "email_verified": True,
            "realm_access": {"roles": ["offline_access", "teacher"]},
            "resource_access": {"account": {"roles": ["view-profile"]}},
        },
        Claims("f3b1", "Amina Khan", "teacher", None, "amina@school.example"),
        {"auth_roles_claim": "realm_access.roles"},
    ),
    "keycloak client roles": Shape(
        {"sub": "f3b1", "name": "A", "resource_access": {"bodh.web": {"roles": ["admin"]}}},
        Claims("f3b1", "A", "admin", None),
        {"auth_roles_claim": "resource_access.bodh.web.roles"},
    ),
    "auth0": Shape(
        {
            "iss": "https://school.eu.auth0.com/",
            "aud": ["bodh", "https://school.eu.auth0.com/userinfo"],
            "sub": "auth0|65f0",
            "nickname": "amina",
            "name": "amina@school.example",
            "email": "amina@school.example",
            "email_verified": False,
            "https://bodh.example/roles": ["Admins"],
            "https://bodh.example/tenant": "north",
        },
        Claims("auth0|65f0", "amina", "admin", "north"),
        {
            "auth_roles_claim": "https://bodh.example/roles",
            "auth_tenant_claim": "https://bodh.example/tenant",
            "auth_role_names": "admins=admin",
        },
    ),
    "entra": Shape(
        {
            "iss": "https://login.microsoftonline.com/9d0b/v2.0",
            "aud": "0b9e",
            "sub": "AAAA",
            "oid": "77aa",
            "tid": "9d0b",
            "ver": "2.0",
            "preferred_username": "amina@school.example",
            "email": "amina@school.example",
            "groups": [GROUP, "other"],
        },
        Claims("AAAA", "amina", "teacher", "9d0b", "amina@school.example"),
        {
            "auth_roles_claim": "groups",
            "auth_role_names": f"{GROUP.upper()} = teacher",
            "auth_tenant_claim": "tid",
            "oidc_trust_email": True,
        },
    ),
    "google": Shape(
        {
            "iss": "https://accounts.google.com",
            "aud": "123.apps.googleusercontent.com",
            "azp": "123.apps.googleusercontent.com",
            "sub": "1098",
            "hd": "school.example",
            "given_name": "Amina",
            "family_name": "Khan",
            "email": "amina@school.example",
            "email_verified": True,
        },
        Claims("1098", "Amina Khan", "learner", "school.example", "amina@school.example"),
        {"auth_tenant_claim": "hd"},
    ),
    "clerk": Shape(
        {
            "iss": "https://clerk.school.example",
            "aud": "bodh",
            "azp": "https://school.example",
            "sub": "user_2Xy",
            "sid": "sess_9",
            "given_name": "Amina",
            "org_slug": "north",
            "org_role": "org:admin",
        },
        Claims("user_2Xy", "Amina", "admin", "north"),
        {
            "auth_roles_claim": "org_role",
            "auth_role_names": "org:admin=admin",
            "auth_tenant_claim": "org_slug",
        },
    ),
    "clerk metadata": Shape(
        {"sub": "user_2Xy", "public_metadata": {"role": "teacher"}},
        Claims("user_2Xy", "User", "teacher", None),
        {"auth_roles_claim": "public_metadata.role"},
    ),
}


@pytest.mark.parametrize("provider", SHAPES)
def test_claims_of_the_usual_providers(settings: Settings, provider: str) -> None:
    shape = SHAPES[provider]
    chosen = settings.model_copy(update=shape.settings)
    assert parse_claims(chosen, shape.payload) == shape.expected


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ("admin", "admin"),
        ("student teacher", "teacher"),
        ("student,teacher", "teacher"),
        (["learner", "admin"], "admin"),
        (["administrator"], "learner"),
        ([["admin"], {"admin": True}, None], "learner"),
        ({"admin": True}, "learner"),
        (7, "learner"),
        (None, "learner"),
    ],
)
def test_roles_are_a_list_or_a_text(settings: Settings, roles: Any, expected: str) -> None:
    assert parse_claims(settings, {"sub": "a", "roles": roles}).role == expected


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({}, "User"),
        ({"given_name": "Amina"}, "Amina"),
        ({"given_name": "Amina", "family_name": "Khan", "preferred_username": "ak"}, "Amina Khan"),
        ({"preferred_username": "amina"}, "amina"),
        ({"preferred_username": "amina@school.example"}, "amina"),
        ({"name": "Amina", "given_name": "A"}, "Amina"),
        ({"name": "@amina"}, "@amina"),
    ],
)
def test_shown_name_is_never_a_whole_address(
    settings: Settings, claims: dict[str, Any], name: str
) -> None:
    assert parse_claims(settings, {"sub": "a", **claims}).name == name


@pytest.mark.parametrize(
    ("verified", "trusted", "kept"),
    [
        (True, False, True),
        ("true", False, True),
        (None, False, False),
        (None, True, True),
        (False, False, False),
        (False, True, False),
        ("false", True, False),
    ],
)
def test_address_counts_only_if_verified_or_trusted(
    settings: Settings, verified: Any, trusted: bool, kept: bool
) -> None:
    settings.oidc_trust_email = trusted
    payload = {"sub": "a", "email": "a@school.example", "email_verified": verified}
    payload = {name: value for name, value in payload.items() if value is not None}
    assert parse_claims(settings, payload).email == ("a@school.example" if kept else None)


@pytest.mark.parametrize("tenant", [None, "", 7, ["north"], "a\nb"])
def test_tenant_that_a_setting_requires_must_be_there(settings: Settings, tenant: Any) -> None:
    settings.auth_tenant_claim = "org"
    with pytest.raises(SignInRequired):
        parse_claims(settings, {"sub": "a", "org": tenant})


def test_path_of_a_claim_may_contain_dots() -> None:
    payload = {"a.b": {"c.d": 1}, "a": {"b": {"c": 2}}, "x": "text"}
    assert find_claim(payload, "a.b.c.d") == 1
    assert find_claim(payload, "a.b.c") == 2
    assert find_claim(payload, "x.y") is None
    assert find_claim(payload, "nothing") is None
