"""`make reset`: asks, then deletes all data in BODH_HOME.

python -m scripts.reset
"""

import os
import shutil
import sys
from pathlib import Path

from scripts.processes import stop_all
from settings import SettingsError, read_settings_from_environment


def main() -> int:
    try:
        settings = read_settings_from_environment()
    except SettingsError as error:
        print(error)
        return 1
    home = settings.bodh_home
    if not (home / "secrets").is_dir():  # every run creates it, so this is not a BODH_HOME
        print(f"Nothing to delete: {home} holds no Bodh data.")
        return 0
    if not ask_to_delete(home):
        print("Nothing was deleted. Answer yes, or set YES=1, to delete the data.")
        return 1
    stop_all(settings)
    shutil.rmtree(home)
    shutil.rmtree(settings.run_dir, ignore_errors=True)
    print(f"Deleted {home}.")
    return 0


def ask_to_delete(home: Path) -> bool:
    if os.environ.get("YES") == "1":
        return True
    if not sys.stdin.isatty():
        return False
    return input(f"Delete all accounts, transcripts and models in {home}? [yes/no] ") == "yes"


if __name__ == "__main__":
    sys.exit(main())
