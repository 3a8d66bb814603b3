"""The engine's process: its protocol, its restart, and the choice of its model."""

import asyncio
import signal
import socket
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from harness.stack import ROOT
from settings import TcpAddress
from speech.addresses import NotPrivate, is_on_this_machine
from speech.client import SpeechBusy, SpeechClient, SpeechError, SpeechTimeout
from speech.models import TEST_MODEL_FOLDER, NoModel, choose_and_download_model, read_chosen_model
from speech.socket_server import ClientConnection, Reply, listen
from speech.wire import Header, encode_frame, read_frame
from tests.agent.speech_parts import (
    WAVS,
    EngineProcess,
    recorded,
    run_speech,
    silence,
)

PHRASE = "repeat-last-part"


async def test_health_names_the_model(client: SpeechClient) -> None:
    health = await client.health()
    assert (health.model, health.test_model, health.waiting) == ("whisper-lecture", True, 0)


async def test_concurrent_requests_of_one_connection_get_their_own_answers(
    client: SpeechClient,
) -> None:
    found = await asyncio.gather(*(client.recognise(recorded(name)) for name in WAVS))
    assert [one.text for one in found] == list(WAVS.values())


async def test_an_interim_is_refused_while_a_final_is_decoded(client: SpeechClient) -> None:
    final = asyncio.create_task(client.recognise(recorded(PHRASE)))
    await asyncio.sleep(0)  # the final is written first
    with pytest.raises(SpeechBusy):
        await client.recognise(recorded(PHRASE), kind="interim")
    assert (await final).text == WAVS[PHRASE]


async def test_request_that_runs_out_of_time_is_a_timeout(client: SpeechClient) -> None:
    with pytest.raises(SpeechTimeout):
        await client.recognise(recorded(PHRASE), timeout_s=0.02)
    assert (await client.recognise(recorded(PHRASE))).text == WAVS[PHRASE]


async def test_cancelled_request_that_waits_is_not_decoded(client: SpeechClient) -> None:
    asked = [asyncio.create_task(client.recognise(recorded(PHRASE))) for _ in range(3)]
    await asyncio.sleep(0)
    for task in asked[1:]:
        task.cancel()
    async with asyncio.timeout(10):
        while (await client.health()).waiting > 1:
            pass
        assert (await asked[0]).text == WAVS[PHRASE]
    assert (await client.health()).waiting == 0


@pytest.mark.parametrize(
    "header",
    [
        {"kind": "sing"},
        {},
        {"kind": "final", "timeout_s": "soon"},
        {"kind": None},
        {"kind": "final", "hotwords": [3]},
    ],
)
async def test_invalid_request_is_refused_and_the_next_one_answered(
    engine: EngineProcess, header: dict[str, object]
) -> None:
    reader, writer = await asyncio.open_unix_connection(engine.address)
    writer.write(encode_frame({"id": 1} | header))
    answer, _ = await read_frame(reader)
    writer.write(encode_frame({"id": 2, "kind": "health"}))
    health, _ = await read_frame(reader)
    writer.close()
    assert (answer["id"], answer["error"]) == (1, "bad_request")
    assert (health["id"], health["test_model"]) == (2, True)


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\n\r\n", struct.pack("!I", 5) + b"[1,2]", struct.pack("!I", 2) + b"no"],
)
async def test_invalid_frame_closes_only_its_own_connection(
    engine: EngineProcess, client: SpeechClient, sent: bytes
) -> None:
    reader, writer = await asyncio.open_unix_connection(engine.address)
    writer.write(sent)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert (await client.health()).test_model


async def test_only_our_user_can_connect(engine: EngineProcess) -> None:
    assert stat.S_IMODE(engine.address.stat().st_mode) == 0o600
    # others may pass through the folder but not list it: Postgres has to if we are root
    assert stat.S_IMODE(engine.address.parent.stat().st_mode) == 0o711


async def test_engine_on_a_port_answers_only_those_who_know_the_secret(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = TcpAddress("127.0.0.1", probe.getsockname()[1])
    process = await run_speech(
        tmp_path, SPEECH_ADDRESS=f"tcp://127.0.0.1:{address.port}", SPEECH_SECRET="the secret"
    )
    ours, wrong = SpeechClient(address, secret="the secret"), SpeechClient(address, secret="?")
    try:
        assert (await ours.recognise(recorded(PHRASE), timeout_s=30)).text == WAVS[PHRASE]
        with pytest.raises(SpeechTimeout):
            await wrong.recognise(recorded(PHRASE), timeout_s=1)
    finally:
        process.terminate()
        await asyncio.gather(process.communicate(), ours.aclose(), wrong.aclose())
    assert process.returncode == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "2600::"])  # noqa: S104 refused
async def test_engine_does_not_listen_where_others_could_reach_it(host: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    with pytest.raises(NotPrivate):
        await listen(TcpAddress(host, 7000), serve)


async def test_client_that_sends_no_secret_is_disconnected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def answer(header: Header, pcm: bytes, reply: Reply) -> None:
        raise AssertionError

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ClientConnection(answer, writer).serve(reader, "the secret")

    monkeypatch.setattr("speech.socket_server.SECRET_TIMEOUT_S", 0.05)
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        assert await asyncio.wait_for(reader.read(), 20) == b""
        writer.close()


async def test_client_sends_nothing_to_an_engine_outside_the_private_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.set_result(await reader.read())
        writer.close()

    # no test connects to a public address
    monkeypatch.setattr("speech.addresses.is_private", lambda host: host != "127.0.0.1")
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = TcpAddress(*server.sockets[0].getsockname())
        with pytest.raises(SpeechError, match="set the private address of the engine's host"):
            await SpeechClient(address, secret="the secret").recognise(recorded(PHRASE))
        assert await asyncio.wait_for(received, 20) == b""


def test_engine_runs_on_the_host_of_its_address() -> None:
    assert is_on_this_machine(Path("speech.sock"))
    assert is_on_this_machine(TcpAddress("127.0.0.1", 7000))
    assert not is_on_this_machine(TcpAddress("192.0.2.7", 7000))  # an address of documentation


async def test_second_engine_at_the_same_address_exits_with_an_error(engine: EngineProcess) -> None:
    second = await run_speech(engine.home)
    output, _ = await asyncio.wait_for(second.communicate(), 20)
    assert second.returncode == 1
    assert b"another process already serves" in output


async def test_no_engine_is_a_timeout(tmp_path: Path) -> None:
    client = SpeechClient(tmp_path / "none.sock")
    with pytest.raises(SpeechTimeout):
        await client.recognise(silence(1), timeout_s=0.5)
    assert issubclass(SpeechTimeout, SpeechError)


async def test_request_to_a_killed_engine_is_sent_again_to_the_next(tmp_path: Path) -> None:
    engine = EngineProcess(tmp_path)
    await engine.start()
    client = SpeechClient(engine.address)
    try:
        assert (await client.recognise(recorded(PHRASE))).text == WAVS[PHRASE]
        asked = asyncio.create_task(client.recognise(recorded(PHRASE)))
        await asyncio.sleep(0)
        assert await engine.end(signal.SIGKILL) == -signal.SIGKILL
        await engine.start()  # its predecessor left a socket behind
        assert (await asked).text == WAVS[PHRASE]
        assert await engine.end() == 0
        assert not engine.address.exists()
    finally:
        await client.aclose()
        await engine.end(signal.SIGKILL)


def test_client_imports_neither_model_nor_livekit() -> None:
    program = (
        "import sys, speech.client; "
        "print([name for name in ('faster_whisper', 'ctranslate2', 'livekit') if name in "
        "sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_folder_with_a_model_is_used_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.symlink_to(TEST_MODEL_FOLDER)
    choice = choose_and_download_model(str(folder), tmp_path)
    assert (choice.path, choice.test_model) == (str(folder), False)
    assert read_chosen_model(str(folder), tmp_path) == choice


def test_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoModel):
        choose_and_download_model(str(tmp_path), tmp_path)


def test_model_that_was_not_chosen_at_set_up_is_not_downloaded_at_start(tmp_path: Path) -> None:
    choose_and_download_model("test", tmp_path)
    with pytest.raises(NoModel, match="is not on this machine"):
        read_chosen_model("small.en", tmp_path)
