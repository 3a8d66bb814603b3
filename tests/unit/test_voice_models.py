"""Which voice speaks: VOICE_MODEL as a name, a folder, a file or eSpeak."""

import json
from pathlib import Path

import pytest

from scripts.up import find_voice_or_say_what_speaks
from settings import Settings
from speech.voice.models import NoVoice, PiperModel, download_voice, find_voice


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """The `.onnx` file of a voice with 16,000 samples per second."""
    path = tmp_path / "voices" / "en_GB-test-low.onnx"
    path.parent.mkdir()
    path.touch()
    path.with_name(f"{path.name}.json").write_text(json.dumps({"audio": {"sample_rate": 16_000}}))
    return path


def test_voice_is_found_by_its_folder_and_by_its_file(model: Path, tmp_path: Path) -> None:
    expected = PiperModel(model, 16_000)
    assert find_voice(str(model), tmp_path) == expected
    assert find_voice(str(model.parent), tmp_path) == expected
    assert expected.name == "en_GB-test-low"


def test_voice_that_set_up_downloaded_is_found_by_its_name(model: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "models").mkdir(parents=True)
    assert find_voice("en_GB-test-low", home) is None
    model.parent.rename(home / "models" / "en_GB-test-low")
    found = find_voice("en_GB-test-low", home)
    assert found is not None
    assert found.rate == 16_000


def test_espeak_needs_no_model_and_no_download(tmp_path: Path) -> None:
    download_voice("espeak", tmp_path)
    assert find_voice("espeak", tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_path_without_a_voice_is_refused_by_name(model: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    alone = tmp_path / "alone.onnx"
    alone.touch()
    for path in (tmp_path / "empty", tmp_path / "missing.onnx", alone):
        with pytest.raises(NoVoice, match=r"^VOICE_MODEL="):
            find_voice(str(path), tmp_path)
    model.unlink()
    with pytest.raises(NoVoice, match=r"^VOICE_MODEL="):
        find_voice(str(model), tmp_path)


def test_name_that_no_carrier_has_is_refused_with_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(NoVoice, match="Set VOICE_MODEL to the folder"):
        download_voice("en_US-nobody-high", tmp_path)


def test_start_says_that_espeak_speaks_if_the_voice_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = Settings(_env_file=None, bodh_home=tmp_path, voice_model="en_US-joe-medium")
    assert not find_voice_or_say_what_speaks(missing)
    said = capsys.readouterr().out
    assert "The voice en_US-joe-medium is not on this machine, so eSpeak NG speaks." in said
    assert "Set VOICE_MODEL" in said


def test_start_says_nothing_if_espeak_was_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = Settings(_env_file=None, bodh_home=tmp_path, voice_model="espeak")
    assert not find_voice_or_say_what_speaks(chosen)
    assert capsys.readouterr().out == ""
