"""Which event loop a process uses."""

import asyncio
import sys


def use_fast_event_loops() -> None:
    """Makes uvloop the kind of event loop that LiveKit creates from now on."""
    if sys.platform != "win32":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
