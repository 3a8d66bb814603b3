"""`make down`: ends a running `make up`, and what a killed one left.

python -m scripts.down
"""

import sys

from scripts.processes import end_all
from settings import SettingsError, read_settings


def main() -> int:
    try:
        count = end_all(read_settings())
    except SettingsError as error:
        print(error)
        return 1
    print(f"ended {count} processes" if count else "nothing was running")
    return 0


if __name__ == "__main__":
    sys.exit(main())
