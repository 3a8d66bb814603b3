"""Which Whisper model to load: chosen once at set-up, read at every start."""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

TEST_MODEL = "whisper-lecture"
TEST_MODEL_FOLDER = Path(__file__).resolve().parent / TEST_MODEL
HUB_PATIENCE_S = 5.0


class NoModel(Exception):
    """No model can be loaded. The message says what to set."""


@dataclass(frozen=True)
class Choice:
    """The model to load. `wanted` is the setting; `reason` says why the model is another one."""

    wanted: str
    model: str
    path: str
    test_model: bool
    reason: str = ""

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """None if the file is missing or is not a choice."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None


def choose(wanted: str, home: Path) -> Choice:
    """Chooses at set-up, downloads the model if needed, and saves the choice.

    Raises NoModel if `wanted` is a folder without a model.
    """
    choice = local_choice(wanted, home)
    if choice.test_model and wanted != "test":
        reason = fetch(wanted, model_folder(wanted, home))
        choice = local_choice(wanted, home, reason=reason)
    choice.write(choice_file(home))
    return choice


def chosen(wanted: str, home: Path) -> Choice:
    """The model to load now: the one chosen at set-up if it is still there. Uses no network."""
    choice = Choice.read(choice_file(home))
    if choice and choice.wanted == wanted and is_model(Path(choice.path)):
        return choice
    return local_choice(wanted, home)


def local_choice(wanted: str, home: Path, *, reason: str = "") -> Choice:
    if wanted == "test":
        return test_choice(wanted, "")
    as_folder = Path(wanted).expanduser()
    if "/" in wanted and as_folder.is_dir():
        if not is_model(as_folder):
            raise NoModel(f"WHISPER_MODEL={wanted} holds no CTranslate2 model (model.bin)")
        return Choice(wanted, as_folder.name, str(as_folder.absolute()), test_model=False)
    folder = model_folder(wanted, home)
    if is_model(folder):
        return Choice(wanted, wanted, str(folder), test_model=False)
    return test_choice(wanted, reason or f"{wanted} is not on this machine")


def test_choice(wanted: str, reason: str) -> Choice:
    if not is_model(TEST_MODEL_FOLDER):
        raise NoModel(f"no model: {wanted} is not on this machine, run `python -m speech choose`")
    return Choice(wanted, TEST_MODEL, str(TEST_MODEL_FOLDER), test_model=True, reason=reason)


def choice_file(home: Path) -> Path:
    return home / "models" / "choice.json"


def model_folder(name: str, home: Path) -> Path:
    return home / "models" / name.replace("/", "--")


def is_model(folder: Path) -> bool:
    return (folder / "model.bin").is_file() and (folder / "config.json").is_file()


def fetch(name: str, folder: Path) -> str:
    """Downloads a model from the hub. Returns "" or why it failed."""
    # imported here: serving never needs it, and it reads the hub's address when it is imported
    import huggingface_hub.constants
    from faster_whisper import download_model

    if not answers(huggingface_hub.constants.ENDPOINT):
        return f"the model hub did not answer within {HUB_PATIENCE_S:.0f} s"
    draft = folder.with_name(f"{folder.name}.part")
    try:
        download_model(name, output_dir=str(draft))
    except Exception as error:  # noqa: BLE001 the library has many errors, and each means "no model"
        return f"{name} could not be fetched: {type(error).__name__}"
    if not is_model(draft):
        return f"{name} is not a CTranslate2 model"
    draft.replace(folder)
    return ""


def answers(url: str) -> bool:
    """Whether an HTTP server answers in time, even if the resolver hangs."""
    reached = threading.Event()

    def ask() -> None:
        try:
            with urlopen(Request(url, method="HEAD"), timeout=HUB_PATIENCE_S):  # noqa: S310 ours
                reached.set()
        except HTTPError:
            reached.set()
        except (OSError, ValueError):
            pass
        finally:
            done.set()

    done = threading.Event()
    threading.Thread(target=ask, daemon=True).start()
    done.wait(HUB_PATIENCE_S)
    return reached.is_set()
