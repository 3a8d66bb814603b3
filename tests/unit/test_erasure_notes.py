"""The list of erasures outside the database: a line that was cut off is not taken as written."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from db.erasure_notes import append_notes, read_notes
from db.erasures import new_erasure
from tests.conftest import ROOT

ONE = UUID(int=1)
APPEND_WITHIN_100_BYTES = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID
from db.erasure_notes import append_notes
from db.erasures import new_erasure
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
one = UUID(int=1)
erasure = new_erasure(one, "account", datetime.now(UTC), account_id=one)
try:
    append_notes(Path(sys.argv[1]), [erasure])
except OSError:
    print("refused")
"""


def test_note_that_the_disk_cuts_off_is_reported_and_the_next_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "erasures"
    done = subprocess.run(
        [sys.executable, "-c", APPEND_WITHIN_100_BYTES, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, path.stat().st_size) == ("refused\n", 100)
    kept = new_erasure(ONE, "session", datetime.now(UTC), session_id=uuid4())
    append_notes(path, [kept])
    assert read_notes(path) == [kept]
