"""Account roles: what each may do, and which one a sign-in gives."""

from dataclasses import replace
from uuid import uuid4

import pytest

from courses.course import Lesson
from db import Forbidden
from db.accounts import Account, mint_identity
from db.roles import Permission, has_permission, may_see_lesson, require_permission, strongest_role
from protocol import Role

ALLOWED: list[tuple[Role, Permission, bool]] = [
    ("learner", "see_unpublished", False),
    ("learner", "teach", False),
    ("learner", "see_any_session", False),
    ("learner", "read_event_logs", False),
    ("learner", "read_notices", False),
    ("learner", "export_accounts", False),
    ("teacher", "see_unpublished", True),
    ("teacher", "teach", True),
    ("teacher", "see_any_session", False),
    ("teacher", "read_event_logs", False),
    ("teacher", "read_notices", False),
    ("teacher", "export_accounts", False),
    ("admin", "see_unpublished", True),
    ("admin", "teach", True),
    ("admin", "see_any_session", True),
    ("admin", "read_event_logs", True),
    ("admin", "read_notices", True),
    ("admin", "export_accounts", True),
]
LESSON = Lesson(uuid4(), uuid4(), uuid4(), "Title", 0, "", (), None, None, None, is_published=True)


def account(role: Role) -> Account:
    return Account(uuid4(), uuid4(), "amina", "Amina", role, mint_identity(role))


@pytest.mark.parametrize(("role", "permission", "allowed"), ALLOWED)
def test_role_allows(role: Role, permission: Permission, allowed: bool) -> None:
    assert has_permission(account(role), permission) is allowed


def test_what_a_role_does_not_allow_is_forbidden() -> None:
    require_permission(account("admin"), "read_notices")
    with pytest.raises(Forbidden):
        require_permission(account("teacher"), "read_notices")


@pytest.mark.parametrize(
    ("role", "published", "seen"),
    [
        ("learner", True, True),
        ("learner", False, False),
        ("teacher", True, True),
        ("teacher", False, True),
        ("admin", True, True),
        ("admin", False, True),
    ],
)
def test_only_staff_see_unpublished_lessons(role: Role, published: bool, seen: bool) -> None:
    assert may_see_lesson(account(role), replace(LESSON, is_published=published)) is seen


@pytest.mark.parametrize(
    ("names", "role"),
    [
        ([], "learner"),
        (["mentee"], "learner"),
        (["student", "mentor"], "teacher"),
        (["teacher", "admin"], "admin"),
        (["owner", 7, None, ["admin"]], "learner"),
    ],
)
def test_sign_in_gives_the_strongest_role_it_names(names: list[object], role: Role) -> None:
    assert strongest_role(names) == role


@pytest.mark.parametrize(
    ("role", "prefix"), [("learner", "l_"), ("teacher", "m_"), ("admin", "m_")]
)
def test_identity_distinguishes_learners_from_hosts(role: Role, prefix: str) -> None:
    assert mint_identity(role).startswith(prefix)
