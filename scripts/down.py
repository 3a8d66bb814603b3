"""`make down`: stops a running `make up`, and processes left by a killed one.

python -m scripts.down
"""

import sys

from scripts.processes import stop_all
from settings import SettingsError, read_settings_from_environment


def main() -> int:
    try:
        count = stop_all(read_settings_from_environment())
    except SettingsError as error:
        print(error)
        return 1
    print(f"Stopped {count} processes." if count else "Nothing was running.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
