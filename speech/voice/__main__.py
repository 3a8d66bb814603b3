"""`python -m speech.voice` serves the Piper voice; `python -m speech.voice choose` downloads it."""

import asyncio
import os
import sys

import telemetry
from settings import Settings, SettingsError, read_settings_from_environment
from speech.socket_server import AlreadyServed
from speech.voice.models import ESPEAK, NoVoice, PiperModel, download_voice, find_voice

USAGE = "usage: python -m speech.voice [choose]"


def main(arguments: list[str]) -> int:
    try:
        settings = read_settings_from_environment()
        wanted, home = settings.voice_model, settings.bodh_home
        match arguments:
            case []:
                telemetry.start("voice", settings)
                model = find_voice(wanted, home)
                if wanted == ESPEAK:
                    print("VOICE_MODEL=espeak: eSpeak NG needs no voice process", flush=True)
                    return 0
                if model is None:
                    raise NoVoice(
                        f"The voice {wanted} is not on this machine. "
                        "Run `python -m speech.voice choose` to download it."
                    )
                return run_voice(settings, model)
            case ["choose"]:
                download_voice(wanted, home)
                print(f"voice: {wanted}", flush=True)
                return 0
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except (NoVoice, SettingsError) as error:
        print(error, file=sys.stderr)
        return 1


def run_voice(settings: Settings, model: PiperModel) -> int:
    # read when the library is imported: rooms run side by side, one thread each
    os.environ["OMP_NUM_THREADS"] = "1"
    from speech.voice.server import serve_voice

    address = settings.voice_address
    try:
        asyncio.run(
            serve_voice(
                model,
                address,
                threads=settings.voice_threads,
                ready=lambda: print(f"voice ready: {model.name} at {address}", flush=True),
            )
        )
    except (AlreadyServed, PermissionError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
