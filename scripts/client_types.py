"""Generates the page's TypeScript: types of the HTTP API, and the wire contract.

python -m scripts.client_types
"""

import json
import subprocess
import tempfile
from pathlib import Path

from scripts.client_protocol import generate_protocol_types
from scripts.steps import ROOT
from scripts.toolchains import ensure_npm_environment
from settings import Settings
from web.app import create_app

CLIENT = ROOT / "web" / "client"


def generate_api_types() -> str:
    """The text of the page's openapi.ts. Needs the page's npm packages (`make check`)."""
    document = create_app(Settings(_env_file=None)).openapi()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "openapi.json", Path(folder) / "openapi.ts"
        source.write_text(json.dumps(document))
        subprocess.run(
            ["npx", "--no-install", "openapi-typescript", str(source), "--output", str(target)],
            cwd=CLIENT,
            env=ensure_npm_environment(),
            check=True,
            capture_output=True,
        )
        return target.read_text()


GENERATED = {
    CLIENT / "src" / "openapi.ts": generate_api_types,
    CLIENT / "src" / "protocol.ts": generate_protocol_types,
}

if __name__ == "__main__":
    for path, generate in GENERATED.items():
        path.write_text(generate())
