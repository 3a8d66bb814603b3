"""A real OpenID Connect provider (npm oidc-provider) for the tests, and signing in there."""

import contextlib
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import httpx2
from pydantic import SecretStr

from harness.stack import ROOT, free_port
from scripts.toolchains import ensure_npm_environment
from settings import Settings

FOLDER = ROOT / "tests" / "oidc"
CLIENT_SECRET = "of the client of the tests"  # noqa: S105 not a secret
FORM = re.compile(r'<form[^>]*action="([^"]+)".*?</form>', re.DOTALL)
HIDDEN = re.compile(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"')
ASKED = re.compile(r'<input[^>]*required[^>]*name="([^"]+)"')
STEPS = 12  # redirects and forms of one visit, at most


@dataclass(frozen=True)
class LocalIdentityProvider:
    issuer: str
    client_id: str = "bodh"

    def configure(self, settings: Settings) -> None:
        settings.oidc_issuer, settings.oidc_client_id = self.issuer, self.client_id
        settings.oidc_client_secret = SecretStr(CLIENT_SECRET)


@contextlib.contextmanager
def running_identity_provider(
    page: str, people: Mapping[str, Mapping[str, Any]], *, in_id_token: bool = False
) -> Iterator[LocalIdentityProvider]:
    """Runs the provider for the page at this address. People sign in by name, with any password."""
    port = free_port()
    client = {
        "client_id": "bodh",
        "client_secret": CLIENT_SECRET,
        "redirect_uris": [f"{page}/auth/oidc/callback"],
        "post_logout_redirect_uris": [f"{page}/auth/signin"],
    }
    chosen = {"port": port, "clients": [client], "people": people, "inIdToken": in_id_token}
    process = subprocess.Popen(
        ["node", str(FOLDER / "provider.mjs")],
        env={**ensure_npm_environment(), "OIDC_TEST_PROVIDER": json.dumps(chosen)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "run set-up: tests/oidc is not installed"
        yield LocalIdentityProvider(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.communicate()


class ProviderVisitor:
    """A person's browser at the provider, without scripts."""

    def __init__(self, page: str) -> None:
        self._page = page
        self.http = httpx2.AsyncClient(timeout=20)

    async def aclose(self) -> None:
        await self.http.aclose()

    async def submit_forms_until_page(self, url: str, **fields: str) -> str:
        """Follows redirects and sends every form with these fields, until it leads to the page.

        Returns that address of the page, unopened. Raises AssertionError if a form asks for more.
        """
        answer = await self.http.get(url)
        for _ in range(STEPS):
            if answer.is_redirect:
                url = urljoin(str(answer.url), answer.headers["location"])
                if url.startswith(f"{self._page}/"):
                    return url
                answer = await self.http.get(url)
                continue
            form = FORM.search(answer.text)
            assert form is not None, answer.text[:2000]
            missing = set(ASKED.findall(form[0])) - set(fields)
            assert not missing, f"the provider asks for {sorted(missing)}"
            sent = {**dict(HIDDEN.findall(form[0])), **fields}
            answer = await self.http.post(urljoin(str(answer.url), form[1]), data=sent)
        raise AssertionError(f"no way back to the page from {answer.url}")
