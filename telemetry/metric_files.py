"""The files of metrics."""

from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

WHOLE = bytes(256 * 1024)  # more than any process uses; the web server's routes by status use half


class MetricFile(MmapedDict):
    """Written in full because touching a mapped page on a full disk kills the process (SIGBUS)."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        """Raises OSError if the disk is full or read-only."""
        path = Path(filename)
        if not read_mode and not (path.exists() and path.stat().st_size):
            draft = path.with_suffix(".new")
            draft.write_bytes(WHOLE)
            draft.replace(path)  # never maps a file that was cut off
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
