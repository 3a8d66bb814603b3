"""The HTTP entry: serves the routes and the page, and mints development sign-ins."""

import argparse
import signal
import socket
import sys
from datetime import UTC, datetime

import uvicorn

import telemetry
from db.roles import ROLE_NAMES
from settings import Settings, SettingsError, load_settings
from web.app import create_app
from web.auth import DEFAULT_TENANT, Claims, make_token

GRACE_S = 5  # for requests in flight at the end


def main() -> None:
    """`python token_server.py [serve]`, or `login --name NAME` to print a bearer token."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve the routes and the page (the default)")
    login = commands.add_parser("login", help="print a bearer token, development only")
    login.add_argument("--name", required=True)
    login.add_argument("--role", choices=sorted(ROLE_NAMES), default="learner")
    login.add_argument("--tenant", default=DEFAULT_TENANT)
    args = parser.parse_args()
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.exit(str(error))
    if args.command == "login":
        print(login_token(settings, args.name, args.role, args.tenant))
    else:
        serve(settings)


def login_token(settings: Settings, name: str, role: str, tenant: str) -> str:
    """A bearer token as development sign-in makes it; leaves the process in production."""
    if settings.bodh_env != "development" or not settings.dev_login:
        sys.exit("development sign-in is off: BODH_ENV=production or DEV_LOGIN=false")
    claims = Claims(subject=name, name=name, role=ROLE_NAMES[role], tenant=tenant)
    return make_token(settings, claims, datetime.now(UTC))


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then ends with status 0."""
    telemetry.start("web", settings)
    listening = listen(settings.host, settings.port)
    # uvicorn raises the signal again after its own clean end: then this, not death by signal
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    config = uvicorn.Config(
        create_app(settings),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        proxy_headers=False,
    )
    uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """The bound socket; leaves the process with one line where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        sys.exit(
            f"cannot listen on {host}:{port} ({error.strerror}): stop the program that holds "
            f"the port, or set PORT (and HOST) to another address"
        )


if __name__ == "__main__":
    main()
