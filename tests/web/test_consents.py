"""Consents: asked before the first conversation, stored, withdrawn, and needed to join."""

import asyncio
from typing import Any

import asyncpg
import pytest
from livekit import rtc

from db import tenant_tx
from db.accounts import Account
from db.consent_texts import consent_texts, transcript_text
from db.consents import insert_consents_and_set_storing, list_consents, withdraw_consents
from db.tenants import TenantPolicy, update_policy
from tests.conftest import Database
from tests.web.conftest import School


@pytest.fixture
def asking(school: School) -> School:
    """A school where nobody agrees by themselves."""
    school.agrees = False
    return school


async def ask_token(school: School, name: str, role: str = "learner", **query: Any) -> Any:
    where = {"courseId": school.course.slug, "moduleId": str(school.modules[0].id)}
    return await school.client.post(
        "/api/livekit/token", headers=school.auth(name, role), params=where | query, json={}
    )


async def set_policy(database: Database, policy: TenantPolicy) -> None:
    owner = await asyncpg.connect(database.dsn("bodh_owner"))
    await update_policy(owner, "default", policy)
    await owner.close()


async def opened(school: School) -> list[str]:
    """The sids of the rooms that were opened."""
    return [row["room_sid"] for row in await school.rows("select room_sid from sessions")]


async def stored(school: School, account: Account) -> set[str]:
    """The kinds that the account agrees to."""
    async with tenant_tx(school.pool, school.tenant.id) as db:
        texts = list(consent_texts(school.settings).values())
        return set(await list_consents(db, school.tenant.id, account.id, texts))


async def test_without_consent_there_is_no_token(asking: School) -> None:
    answer = await ask_token(asking, "Amina")
    assert (answer.status_code, answer.json()["code"]) == (409, "consent_required")
    assert await opened(asking) == []


async def test_without_consent_the_page_can_be_read_but_opens_no_room(asking: School) -> None:
    page = await asking.open("Amina")
    assert (page["liveKitToken"], page["sessionId"]) == (None, None)
    assert page["module"]["lessons"][0]["title"] == asking.lessons[0][0].title
    assert await opened(asking) == []


async def test_consent_to_the_tutor_alone_opens_the_room_and_stores_no_words(
    asking: School,
) -> None:
    asked = (await asking.get("/api/me/consents", "Amina"))["consents"]
    assert [(one["kind"], one["isNeeded"], one["givenAt"]) for one in asked] == [
        ("tutor", True, None),
        ("transcript", False, None),
    ]
    await asking.agree(asking.auth("Amina"), "tutor")
    assert (await ask_token(asking, "Amina")).status_code == 201
    assert (await asking.get("/api/me/settings", "Amina"))["storeWords"] is False


async def test_consent_is_stored_with_version_hash_and_time(asking: School) -> None:
    await asking.agree(asking.auth("Amina"), "tutor", "transcript")
    rows = await asking.rows(
        """select kind, session_id, policy_version, text_hash, given_at, withdrawn_at
           from consents order by kind desc"""
    )
    texts = consent_texts(asking.settings)
    assert [tuple(row) for row in rows] == [
        (kind, None, texts[kind].policy_version, texts[kind].text_hash, asking.clock.now, None)
        for kind in ("tutor", "transcript")
    ]


async def test_consent_given_again_keeps_its_time(asking: School) -> None:
    await asking.agree(asking.auth("Amina"), "tutor")
    first = await asking.get("/api/me/consents", "Amina")
    asking.clock.pass_(hours=1)
    again = await asking.agree(asking.auth("Amina"), "tutor")
    assert again.json()["consents"] == first["consents"]
    assert len(await asking.rows("select id from consents")) == 1


async def test_storing_is_the_consent_to_a_transcript(asking: School) -> None:
    await asking.agree(asking.auth("Amina"), "tutor", "transcript")
    amina = await asking.account("Amina")
    assert (await asking.get("/api/me/settings", "Amina"))["storeWords"] is True
    for on, kinds in ((False, {"tutor"}), (True, {"tutor", "transcript"})):
        choice = {"storeWords": on, "transcriptTextHash": transcript_text().text_hash}
        await asking.client.patch("/api/me/settings", headers=asking.auth("Amina"), json=choice)
        assert await stored(asking, amina) == kinds
    await asking.agree(asking.auth("Amina"), "tutor")
    assert (await asking.get("/api/me/settings", "Amina"))["storeWords"] is False


async def test_switching_storing_on_agrees_only_to_the_text_that_was_shown(asking: School) -> None:
    headers = asking.auth("Amina")
    await asking.agree(headers, "tutor")
    asked = (await asking.get("/api/me/consents", "Amina"))["consents"]
    hashes, codes = [one["textHash"] for one in asked], []
    for text_hash in ("0" * 64, *hashes):  # of no text, of another one, of the transcript's
        choice = {"storeWords": True, "transcriptTextHash": text_hash}
        answer = await asking.client.patch("/api/me/settings", headers=headers, json=choice)
        codes.append(answer.status_code)
    assert codes == [409, 409, 200]
    (row,) = await asking.rows("select text_hash from consents where kind = 'transcript'")
    assert row["text_hash"] == transcript_text().text_hash


async def test_new_version_of_the_text_switches_storing_off_until_it_is_agreed_to(
    asking: School,
) -> None:
    headers = asking.auth("Amina")
    await asking.agree(headers, "tutor", "transcript")
    async with tenant_tx(asking.pool, asking.tenant.id) as db:
        await db.execute("update consents set policy_version = '2020-01'")
    seen = [(await asking.get("/api/me/settings", "Amina"))["storeWords"]]
    changed = await asking.client.patch("/api/me/settings", headers=headers, json={"theme": "dark"})
    seen.append(changed.json()["storeWords"])
    await asking.agree(headers, "tutor", "transcript")
    seen.append((await asking.get("/api/me/settings", "Amina"))["storeWords"])
    assert seen == [False, False, True]


async def test_text_that_changed_since_it_was_shown_is_not_agreed_to(asking: School) -> None:
    headers = asking.auth("Amina")
    for agreed in (
        {"kind": "tutor", "textHash": "0" * 64},
        {"kind": "provider", "textHash": consent_texts(asking.settings)["tutor"].text_hash},
    ):
        answer = await asking.client.put(
            "/api/me/consents", headers=headers, json={"agreed": [agreed]}
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert await asking.rows("select id from consents") == []


async def test_provider_is_named_and_asked_again_when_it_changes(asking: School) -> None:
    headers = asking.auth("Amina")
    await asking.agree(headers, "tutor", "transcript")
    asking.settings.llm_base_url = "https://llm.example.org/v1"
    asking.settings.llm_model = "large"
    shown = await asking.get("/api/me/consents", "Amina")
    assert shown["providers"] == [{"kind": "llm", "host": "llm.example.org"}]
    (provider,) = [one for one in shown["consents"] if one["kind"] == "provider"]
    assert "llm.example.org receives what you say and type" in provider["text"]
    codes = [(await ask_token(asking, "Amina")).status_code]
    await asking.agree(headers, "tutor", "provider", "transcript")
    codes.append((await ask_token(asking, "Amina")).status_code)
    asking.settings.stt_base_url = "https://stt.example.net/v1"
    codes.append((await ask_token(asking, "Amina")).status_code)
    assert codes == [409, 201, 409]


async def test_new_policy_version_asks_again(
    asking: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asking.agree(asking.auth("Amina"), "tutor")
    text = consent_texts(asking.settings)["tutor"]
    amina = await asking.account("Amina")
    async with tenant_tx(asking.pool, asking.tenant.id) as db:
        await db.execute("update consents set policy_version = '2020-01'")
        assert await list_consents(db, asking.tenant.id, amina.id, [text]) == {}
    assert (await ask_token(asking, "Amina")).status_code == 409


async def test_withdrawal_removes_the_learner_from_the_room(asking: School) -> None:
    headers = asking.auth("Amina")
    await asking.agree(headers, "tutor", "transcript")
    room = await asking.join(await asking.open("Amina"))
    gone: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    room.on("disconnected", gone.set_result)
    answer = await asking.agree(headers)
    reason = await asyncio.wait_for(gone, 10)
    assert [one["givenAt"] for one in answer.json()["consents"]] == [None, None]
    assert reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
    assert (await asking.get("/api/me/settings", "Amina"))["storeWords"] is False
    assert (await ask_token(asking, "Amina")).status_code == 409


async def test_withdrawn_consent_stays_on_record(asking: School) -> None:
    await asking.agree(asking.auth("Amina"), "tutor")
    asking.clock.pass_(minutes=5)
    await asking.agree(asking.auth("Amina"))
    await asking.agree(asking.auth("Amina"), "tutor")
    rows = await asking.rows("select withdrawn_at from consents order by withdrawn_at nulls last")
    assert [row["withdrawn_at"] for row in rows] == [asking.clock.now, None]


async def test_consents_belong_to_one_account_in_one_tenant(asking: School) -> None:
    await asking.agree(asking.auth("Amina"), "tutor")
    for headers in (asking.auth("Bilal"), asking.auth("Amina", tenant="other-school")):
        shown = (await asking.client.get("/api/me/consents", headers=headers)).json()
        assert [one["givenAt"] for one in shown["consents"]] == [None, None]


async def test_guardian_has_to_agree_where_the_tenant_requires_it(
    school: School, database: Database
) -> None:
    await set_policy(database, TenantPolicy(room_scope=None, guardian_consent="required"))
    amina = await school.account("Amina")
    seen = [(await ask_token(school, "Amina")).json().get("code")]
    seen.append((await school.get("/api/me/consents", "Amina"))["guardian"])
    text = consent_texts(school.settings)["guardian"]
    who = (school.tenant.id, amina.id)
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await insert_consents_and_set_storing(db, *who, [text], school.clock.now)
    seen.append((await ask_token(school, "Amina")).status_code)
    seen.append((await school.get("/api/me/consents", "Amina"))["guardian"])
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await withdraw_consents(db, *who, ["guardian"], school.clock.now)
    seen.append((await ask_token(school, "Amina")).status_code)
    seen.append((await ask_token(school, "Rao", "teacher")).status_code)
    assert seen == ["guardian_consent_required", "missing", 201, "given", 403, 201]
