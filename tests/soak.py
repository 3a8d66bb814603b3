"""Which run this is: `make test`, small, or `make soak`, as the tables of the issues ask for."""

import os

SOAK = os.environ.get("BODH_SOAK") == "1"


def runs(test: int, soak: int) -> int:
    """How often, in `make test` and in `make soak`."""
    return soak if SOAK else test
