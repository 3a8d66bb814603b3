"""Files of figures, each on disk in full before it is mapped."""

from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

WHOLE = bytes(256 * 1024)  # more than any process fills: the web's routes by status take half


class FigureFile(MmapedDict):
    """A page that is mapped while the disk cannot hold it ends the process (SIGBUS)."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        """Raises OSError where the disk is full or read-only."""
        path = Path(filename)
        if not read_mode and not (path.exists() and path.stat().st_size):
            draft = path.with_suffix(".new")
            draft.write_bytes(WHOLE)
            draft.replace(path)  # one that was cut off would be mapped as it is
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
