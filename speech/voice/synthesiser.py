"""One loaded Piper voice. Piper is GPL-3.0-or-later: no other module imports it.

Piper's model speaks a whole text at once. It is cut in two here: an encoder, which needs the whole
text and a quarter of the time, and a decoder of sound, which works on any stretch of its output. So
the first sound is heard when a tenth of the work is done, and the rest is decoded while it plays.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx.utils import Extractor
from piper import PiperVoice
from piper.config import PiperConfig

from speech.levels import Samples
from speech.voice.sound import TARGET_RMS, loudness

DECODER_WEIGHT = "dec.conv_pre.weight"  # of the decoder's first step, in every export of Piper
INPUTS = ("input", "input_lengths", "scales")
CONTEXT_FRAMES = 12  # the decoder hears 12 frames on each side; what lies beyond changes nothing
WARM_UP_FRAMES = 150  # at a time
SAMPLE_TEXTS = (
    "One moment, let me think.",
    "Gradient descent takes small steps downhill, and the learning rate says how long they are.",
)

logging.getLogger("piper").setLevel(logging.ERROR)  # its warnings quote what is spoken


class Computation:
    """One call of the model. `stop` ends it within milliseconds; it then raises."""

    def __init__(self) -> None:
        self.options = onnxruntime.RunOptions()

    def stop(self) -> None:
        self.options.terminate = True


@dataclass(frozen=True)
class Encoded:
    """A text ready to be decoded: the decoder's input, or the sound if the model was not cut."""

    values: npt.NDArray[np.float32]
    frames: int


class Synthesiser:
    """`encode` and `decode` block. Several threads may call them at once."""

    def __init__(self, model: Path) -> None:
        about = json.loads(model.with_name(f"{model.name}.json").read_text())
        config = PiperConfig.from_dict(about)
        encoder, decoder = cut_model(onnx.load(str(model)))
        self._encoder = make_session(encoder)
        self._decoder = make_session(decoder) if decoder else None
        self._piper = PiperVoice(session=self._encoder, config=config)
        self._hop = config.hop_length
        self._gain = 1.0
        self.rate: int = config.sample_rate

    def warm_up(self) -> None:
        """Speaks two sentences, and sets the gain that makes this voice as loud as others."""
        spoken = [self._speak(text) for text in SAMPLE_TEXTS]
        self._gain = TARGET_RMS / max(loudness(np.concatenate(spoken), self.rate), 1e-4)

    def encode(self, text: str, pace: float, run: Computation) -> Encoded:
        """`pace` is a factor of the voice's normal speed. A text without sounds has no frames."""
        parts = [
            self._encode_phonemes(self._piper.phonemes_to_ids(phonemes), pace, run)
            for phonemes in self._piper.phonemize(text)
            if phonemes
        ]
        if not parts:
            return Encoded(np.zeros((1, 1, 0), np.float32), 0)
        values = np.concatenate(parts, axis=-1)
        return Encoded(values, values.shape[-1] // (1 if self._decoder else self._hop))

    def decode(self, encoded: Encoded, start: int, end: int, run: Computation) -> Samples:
        """The sound of some frames, from -1 to 1."""
        if self._decoder is None:
            return encoded.values[0, 0, start * self._hop : end * self._hop] * self._gain
        first, last = max(0, start - CONTEXT_FRAMES), min(encoded.frames, end + CONTEXT_FRAMES)
        (name,) = (one.name for one in self._decoder.get_inputs())
        window = {name: encoded.values[:, :, first:last]}
        (sound,) = self._decoder.run(None, window, run.options)
        samples: Samples = sound.reshape(-1)
        return samples[(start - first) * self._hop : (end - first) * self._hop] * self._gain

    def frames_of(self, seconds: float) -> int:
        return round(seconds * self.rate / self._hop)

    def _speak(self, text: str) -> Samples:
        run = Computation()
        encoded = self.encode(text, 1.0, run)
        # decoded as a whole it would take 100 MB, which the library keeps
        starts = range(0, encoded.frames, WARM_UP_FRAMES)
        ends = (min(start + WARM_UP_FRAMES, encoded.frames) for start in starts)
        parts = [self.decode(encoded, *span, run) for span in zip(starts, ends, strict=True)]
        return np.concatenate(parts)

    def _encode_phonemes(
        self, ids: list[int], pace: float, run: Computation
    ) -> npt.NDArray[np.float32]:
        config = self._piper.config
        scales = [config.noise_scale, config.length_scale / pace, config.noise_w_scale]
        inputs = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array(scales, np.float32),
        }
        if config.num_speakers > 1:
            inputs["sid"] = np.array([config.default_speaker_id], np.int64)
        values: npt.NDArray[np.float32] = self._encoder.run(None, inputs, run.options)[0]
        return values.reshape(1, values.shape[1] if self._decoder else 1, -1)


def cut_model(model: onnx.ModelProto) -> tuple[bytes, bytes | None]:
    """The encoder and the decoder; of a model that cannot be cut, the whole and None."""
    seam = next((n.input[0] for n in model.graph.node if DECODER_WEIGHT in n.input), None)
    inputs = [one.name for one in model.graph.input]
    if seam is None or inputs != list(INPUTS):  # a voice of several speakers has another input
        return model.SerializeToString(), None
    weight = next(one for one in model.graph.initializer if one.name == DECODER_WEIGHT)
    model.graph.value_info.append(
        onnx.helper.make_tensor_value_info(seam, onnx.TensorProto.FLOAT, [1, weight.dims[1], None])
    )
    cutter = Extractor(model)
    outputs = [one.name for one in model.graph.output][:1]
    encoder = cutter.extract_model(inputs, [seam])
    decoder = cutter.extract_model([seam], outputs)
    return encoder.SerializeToString(), decoder.SerializeToString()


def make_session(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # rooms run side by side, and the speech engine beside them
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
