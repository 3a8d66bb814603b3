"""How loud sound is, frame by frame. Pure functions."""

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

PAUSE_BELOW = 10 ** (-30 / 20)  # frames this far below the loudest one are pauses


def frame_levels(samples: Samples, size: int) -> Samples:
    """The RMS of each whole frame of so many samples."""
    count = len(samples) // size
    frames = samples[: count * size].reshape(count, size)
    return np.sqrt(np.mean(np.square(frames), axis=1, dtype=np.float32))


def middle_of_quietest_frame(samples: Samples, size: int, *, last: bool = False) -> int:
    """A sample index; of the first such frame, or of the last one. 0 if no frame is whole."""
    levels = frame_levels(samples, size)
    if not len(levels):
        return 0
    frame = len(levels) - 1 - int(np.argmin(levels[::-1])) if last else int(np.argmin(levels))
    return frame * size + size // 2
