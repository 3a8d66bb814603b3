"""Account settings: stored per account, and known to the tutor before it speaks."""

import json
from typing import Any

import jwt
import pytest

from tests.web.conftest import School

DEFAULTS = {
    "storeWords": True,
    "speechRate": 1.0,
    "voice": True,
    "captionSize": "normal",
    "readTutor": False,
    "singleKeys": True,
    "theme": "system",
}
OTHERS = {
    "storeWords": False,
    "speechRate": 1.5,
    "voice": False,
    "captionSize": "largest",
    "readTutor": True,
    "singleKeys": False,
    "theme": "dark",
}


async def choose(school: School, name: str, **choices: Any) -> Any:
    answer = await school.client.patch("/api/me/settings", headers=school.auth(name), json=choices)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_account_without_settings_has_the_defaults(library: School) -> None:
    assert await library.get("/api/me/settings", "Nobody") == DEFAULTS


async def test_change_is_stored_and_leaves_other_settings(school: School) -> None:
    expected: dict[str, Any] = dict(DEFAULTS)
    for name, value in OTHERS.items():
        expected[name] = value
        assert await choose(school, "Amina", **{name: value}) == expected
    assert await choose(school, "Amina", theme=None) == OTHERS
    assert await school.get("/api/me/settings", "Amina") == OTHERS


async def test_settings_belong_to_one_account_in_one_tenant(school: School) -> None:
    await choose(school, "Amina", **OTHERS)
    assert await school.get("/api/me/settings", "Bilal") == DEFAULTS
    headers = school.auth("Amina", tenant="other-school")
    answer = await school.client.get("/api/me/settings", headers=headers)
    assert answer.json() == DEFAULTS


@pytest.mark.parametrize(
    "body",
    [
        {"storeWords": "perhaps"},
        {"speechRate": 0.4},
        {"speechRate": 2.1},
        {"speechRate": "NaN"},
        {"captionSize": "huge"},
        {"theme": "blue"},
        [],
    ],
)
async def test_malformed_settings_are_422(library: School, body: Any) -> None:
    answer = await library.client.patch(
        "/api/me/settings", headers=library.auth("Amina"), json=body
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_first_token_carries_the_choice_not_to_store_words(school: School) -> None:
    await choose(school, "Amina", storeWords=False)
    page = await school.open("Amina")
    claims = jwt.decode(page["liveKitToken"], options={"verify_signature": False})
    assert json.loads(claims["metadata"])["storeWords"] is False
    assert json.loads((await school.live_room()).metadata)["storeWords"] is False


async def test_choice_during_a_conversation_reaches_its_room(school: School) -> None:
    await school.open("Amina")
    assert json.loads((await school.live_room()).metadata)["storeWords"] is True
    await choose(school, "Amina", storeWords=False)
    assert json.loads((await school.live_room()).metadata)["storeWords"] is False


async def test_choice_of_a_second_learner_reaches_their_own_metadata(school: School) -> None:
    rooms = [await school.join(await school.open(name)) for name in ("Amina", "Bilal")]
    await choose(school, "Bilal", storeWords=False)
    bilal = await school.account("Bilal")
    seen = rooms[0].remote_participants[bilal.identity]
    assert json.loads((await school.live_room()).metadata)["storeWords"] is True
    listed = json.loads(seen.metadata)
    for room in rooms:
        await room.disconnect()
    assert (listed["userName"], listed["storeWords"]) == ("Bilal", False)
