"""`python -m agent start|dev|console|connect|download-files|drain`."""

import asyncio
import sys

import telemetry
from agent.worker.deadline import delete_deadline_file
from agent.worker.event_loops import use_fast_event_loops
from agent.worker.forkserver import set_job_environment, start_forkserver
from db.role_rights import refuse_powerful_role
from settings import SettingsError, prepare_settings


def main() -> int:
    """Our own commands are `drain` and `console --text`; the others are LiveKit's."""
    arguments = sys.argv[1:]
    try:
        if arguments[:1] == ["drain"]:
            settings = prepare_settings("drain")
            refuse_powerful_role(settings, "DATABASE_DRAIN_URL")
        else:
            settings = prepare_settings("agent")
            refuse_powerful_role(settings, "DATABASE_URL")
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments[:1] == ["drain"]:
        from agent.durable.drain import run_drainer

        telemetry.start("drain", settings)
        asyncio.run(run_drainer(settings))
        return 0
    if arguments[:1] == ["console"] and "--text" in arguments:
        from agent.console import run_text_console

        return asyncio.run(run_text_console(settings)) or 0
    set_job_environment(settings)
    use_fast_event_loops()
    if arguments[:1] == ["start"]:
        telemetry.start("agent", settings)
        start_forkserver()
    from livekit.agents import cli

    from agent.worker.server import build_server

    try:
        cli.run_app(build_server(settings))
    finally:
        delete_deadline_file()
    return 0


if __name__ == "__main__":
    sys.exit(main())
