"""The HTTP server: serves the API and the web client, and prints development sign-ins."""

import argparse
import signal
import socket
import sys
from datetime import UTC, datetime

import uvicorn

import telemetry
from db.role_rights import refuse_powerful_role
from db.roles import ROLE_NAMES
from db.tenants import DEFAULT
from settings import Settings, SettingsError, prepare_settings
from web.app import create_app
from web.auth import make_token
from web.claims import Claims
from web.connections import (
    BACKLOG,
    connection_capacity,
    make_connection_class,
    raise_file_limit,
)

GRACE_S = 5  # for running requests to finish at shutdown


def main() -> None:
    """`python token_server.py [serve]`, or `login --name NAME` to print a bearer token."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="serve the API and the web client (default)")
    login = commands.add_parser("login", help="print a bearer token (development only)")
    login.add_argument("--name", required=True)
    login.add_argument("--role", choices=sorted(ROLE_NAMES), default="learner")
    login.add_argument("--tenant", default=DEFAULT)
    args = parser.parse_args()
    try:
        settings = prepare_settings("web")
        refuse_powerful_role(settings, "DATABASE_URL")
    except SettingsError as error:
        sys.exit(str(error))
    if args.command == "login":
        print(make_login_token(settings, args.name, args.role, args.tenant))
    else:
        serve(settings)


def make_login_token(settings: Settings, name: str, role: str, tenant: str) -> str:
    """A bearer token like that of development sign-in. Exits if development sign-in is off."""
    if settings.bodh_env != "development" or not settings.dev_login:
        sys.exit("development sign-in is off: set BODH_ENV=development and DEV_LOGIN=true")
    claims = Claims(subject=name, name=name, role=ROLE_NAMES[role], tenant=tenant)
    return make_token(settings, claims, datetime.now(UTC))


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT, then exits with status 0."""
    telemetry.start("web", settings)
    capacity = connection_capacity(raise_file_limit())
    listening = open_listening_socket(settings.host, settings.port)
    # uvicorn raises the signal again after shutdown; without a handler it kills the process
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    config = uvicorn.Config(
        create_app(settings),
        http=make_connection_class(capacity),
        ws="none",
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
        proxy_headers=False,
    )
    uvicorn.Server(config).run(sockets=[listening])


def open_listening_socket(host: str, port: int) -> socket.socket:
    """The bound socket. Exits with a message if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        sys.exit(
            f"cannot listen on {host}:{port} ({error.strerror}): stop the program that holds "
            f"the port, or set PORT (and HOST) to another address"
        )


if __name__ == "__main__":
    main()
