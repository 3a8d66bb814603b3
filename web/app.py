"""The HTTP application. Opens and closes the pool, media client, provider and inbox."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from fastapi import FastAPI
from fastapi.routing import APIRoute

import rooms
from db import create_pool
from db.local_inbox import LocalInbox
from db.storage import open_storage
from settings import Settings
from web import (
    access_log,
    account_settings,
    consents,
    courses,
    error_responses,
    events,
    export,
    files,
    health,
    notices,
    oidc_sign_in,
    own_transcripts,
    pages,
    restrictions,
    sign_in,
    transcripts,
    tutor_rooms,
    webhooks,
)
from web.auth import TokenVerifier
from web.dependencies import AppContext, utc_now
from web.keys import ProviderKeys
from web.middleware import BodyLimit, RequestLog, SecurityHeaders, security_headers
from web.oidc import Provider


def create_app(settings: Settings, *, clock: Callable[[], datetime] = utc_now) -> FastAPI:
    """Builds the application. It connects at startup, not here."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            pool = await create_pool(settings.app_dsn, max_size=settings.database_pool_size)
            stack.push_async_callback(pool.close)
            lk = rooms.make_media_client(settings)
            stack.push_async_callback(lk.aclose)
            provider = Provider(settings)
            stack.push_async_callback(provider.aclose)
            keys = ProviderKeys(provider.fetch_keys)
            stack.push_async_callback(keys.aclose)
            if settings.has_provider_keys:
                keys.start_fetch()  # before the first sign-in asks for them
            verifier = TokenVerifier(settings, keys)
            inbox = LocalInbox(settings.inbox_path)
            stack.push_async_callback(inbox.close)
            app.state.context = AppContext(
                settings,
                pool,
                lk,
                verifier,
                provider,
                inbox,
                open_storage(settings),
                clock,
            )
            yield

    app = FastAPI(
        title="Bodh",
        version="1",
        lifespan=lifespan,
        openapi_url="/api/openapi.json",
        docs_url=None,  # these pages load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.settings = settings
    app.add_middleware(BodyLimit)
    app.state.security_headers = security_headers(settings)
    app.add_middleware(SecurityHeaders, headers=app.state.security_headers)
    app.add_middleware(RequestLog)
    error_responses.register_error_handlers(app)
    accounts = (
        sign_in,
        oidc_sign_in,
        account_settings,
        consents,
        own_transcripts,
        access_log,
        export,
    )
    sessions = (tutor_rooms, restrictions, transcripts, events, webhooks)
    for part in (*accounts, courses, files, *sessions, notices, health, pages):
        app.include_router(part.router)
    return app


def _operation_id(route: APIRoute) -> str:
    """The name of the route's function, for short names in generated clients."""
    return route.name
