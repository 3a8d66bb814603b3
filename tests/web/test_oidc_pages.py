"""Sign-in by OpenID Connect in Chromium, at a real provider: in, out, blocked, many groups."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, Page, Route, expect

from db import tenant_tx
from db.account_commands import block_person
from harness.oidc import LocalIdentityProvider, running_identity_provider
from harness.stack import free_port
from tests.web.conftest import School
from tests.web.test_oidc import PEOPLE

TITLE = "Learn it by talking it through."


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def provider(port: int) -> Iterator[LocalIdentityProvider]:
    with running_identity_provider(
        f"http://127.0.0.1:{port}", PEOPLE, in_id_token=True
    ) as provider:
        yield provider


@pytest.fixture
async def open_page(
    school: School, provider: LocalIdentityProvider, port: int, chromium: Browser
) -> AsyncIterator[Callable[[], Any]]:
    """Opens a new browser's page on the application, where people sign in at the provider only."""
    provider.configure(school.settings)
    school.settings.public_url = f"http://127.0.0.1:{port}"
    school.settings.dev_login = False
    listening = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(school.app, log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    contexts = []

    async def open_page() -> Page:
        context = await chromium.new_context(base_url=school.settings.public_url)
        contexts.append(context)
        await context.route("**/*", stay_here)
        page = await context.new_page()
        page.set_default_timeout(20_000)
        return page

    yield open_page
    for context in contexts:
        await context.close()
    server.should_exit = True
    await serving


async def stay_here(route: Route) -> None:
    """The provider's own pages would load a font from the network."""
    await (route.continue_() if "//127.0.0.1:" in route.request.url else route.abort())


async def sign_in(page: Page, login: str) -> None:
    """From the sign-in page, over the provider's pages, back to ours."""
    await page.get_by_role("link", name="Sign in with your school account").click()
    await page.get_by_placeholder("Enter any login").fill(login)
    await page.get_by_placeholder("and password").fill("any")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()


async def test_learner_signs_in_at_the_provider_and_out_again(
    school: School, open_page: Callable[[], Any]
) -> None:
    page = await open_page()
    await page.goto("/transcripts")
    await page.wait_for_url("**/auth/signin?return_to=%2Ftranscripts")
    await sign_in(page, "amina-1")
    await page.wait_for_url("**/transcripts")
    await expect(page.locator(".who .name")).to_have_text("Amina Khan")
    await page.get_by_role("button", name="Settings").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("button", name="Yes, sign me out").click()
    await page.wait_for_url("**/auth/signin**")
    await expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
    assert await school.rows("select id from auth_sessions") == []
    await page.goto("/transcripts")
    await page.get_by_role("link", name="Sign in with your school account").click()
    await expect(page.get_by_placeholder("Enter any login")).to_be_visible()  # signed out there too


async def test_token_of_120_groups_signs_in(school: School, open_page: Callable[[], Any]) -> None:
    page = await open_page()
    await page.goto("/auth/signin")
    await sign_in(page, "badr-2")
    await expect(page.locator(".who .name")).to_have_text("Badr")
    await page.reload()
    await expect(page.locator(".who .name")).to_have_text("Badr")


async def test_blocked_learner_is_told_and_kept_out(
    school: School, open_page: Callable[[], Any]
) -> None:
    page = await open_page()
    await page.goto("/auth/signin")
    await sign_in(page, "amina-1")
    await expect(page.locator(".who .name")).to_have_text("Amina Khan")
    async with tenant_tx(school.pool, school.tenant.id) as db:
        await block_person(db, school.tenant.id, "amina@school.example", school.clock.now)
    await page.reload()
    await page.get_by_role("link", name="Sign in with your school account").click()
    await expect(page.get_by_role("alert")).to_have_text(
        "Your account is blocked. Ask your teacher."
    )
    assert await page.context.request.get("/api/me") is not None
    assert (await page.context.request.get("/api/me")).status == 401
