"""The page's TypeScript types of the API, from its OpenAPI document.

python -m scripts.client_types
"""

import json
import subprocess
import tempfile
from pathlib import Path

from scripts.steps import ROOT
from scripts.toolchains import npm_environment
from settings import Settings
from web.app import create_app

CLIENT = ROOT / "web" / "client"
TYPES = CLIENT / "src" / "openapi.ts"


def generated() -> str:
    """The types as they should be. Needs the page's packages, which `make check` installs."""
    document = create_app(Settings(_env_file=None)).openapi()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "openapi.json", Path(folder) / "openapi.ts"
        source.write_text(json.dumps(document))
        subprocess.run(
            ["npx", "--no-install", "openapi-typescript", str(source), "--output", str(target)],
            cwd=CLIENT,
            env=npm_environment(),
            check=True,
            capture_output=True,
        )
        return target.read_text()


if __name__ == "__main__":
    TYPES.write_text(generated())
