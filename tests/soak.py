"""How often tests repeat: `make soak` repeats as often as the issues require."""

import os

SOAK = os.environ.get("BODH_SOAK") == "1"


def runs(test: int, soak: int) -> int:
    """The number of repetitions: `test` in `make test`, `soak` in `make soak`."""
    return soak if SOAK else test
