"""How long this run is: `make soak` repeats as often as the issues ask for."""

import os

SOAK = os.environ.get("BODH_SOAK") == "1"


def runs(test: int, soak: int) -> int:
    """How often to repeat: `test` times in `make test`, `soak` times in `make soak`."""
    return soak if SOAK else test
