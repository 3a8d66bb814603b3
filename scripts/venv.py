"""Installs a lock file's packages into a virtual environment, for an image.

    python -m scripts.venv FOLDER LOCK [WITHOUT ...]

Standard library only: this runs before anything is installed.
"""

import subprocess
import sys
from pathlib import Path

from scripts.steps import ROOT, SetupError
from scripts.toolchains import pip_install


def main(arguments: list[str]) -> int:
    folder, lock, *without = arguments
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    kept = ROOT / f"image-{lock}"
    kept.write_text(without_packages((ROOT / lock).read_text(), without))
    try:
        pip_install(Path(folder), kept.name)
    except SetupError as error:
        print(error)
        return 1
    finally:
        kept.unlink()
    return 0


def without_packages(lock: str, names: list[str]) -> str:
    blocks = lock.replace("\\\n", "\\\0").splitlines()
    kept = [block for block in blocks if block.split("==")[0] not in names]
    return "\n".join(kept).replace("\\\0", "\\\n") + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
