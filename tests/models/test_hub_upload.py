"""A model folder on its way to the hub: what arrives is the folder, and the token stays unseen."""

import os
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from tests.helpers import hub
from tunix_rt_nb import models
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.report import model_card

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the client's, of httpx
TOKEN = "hf_averysecrettoken"
NAME = "me/adder"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account by its token, and no server but that of the test."""
    for name in os.environ:
        if name.startswith(("HF_", "HUGGING_FACE")) or "proxy" in name.lower():
            monkeypatch.delenv(name)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the older protocol is plain HTTP
    yield
    huggingface_hub.close_session()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    with hub.serving(hub.Upload) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    for name in ("config.json", "tokenizer.model", "model.safetensors"):
        (made / name).write_bytes(hub.FILES[name])
    model_card.write(made, {"name": "adder"})
    return made


def refused(folder: Path, name: str = NAME, public: bool = False) -> str:
    with pytest.raises(InputError) as error:
        models.upload(folder, name, public)
    told = str(error.value)
    assert TOKEN not in told and "\n" not in told
    return told


def test_the_folder_arrives_whole_and_private(server: hub.Hub, folder: Path) -> None:
    assert models.upload(folder, NAME) == f"http://127.0.0.1:{server.server_port}/{NAME}"
    assert server.received == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert server.repositories == {NAME: True}
    assert server.tokens == {f"Bearer {TOKEN}"}
    sent = {"content": (folder / "README.md").read_text(), "repoType": "model"}
    assert sent in server.validated  # by the client, which has the hub check a card first


def test_it_is_public_only_if_that_is_asked_for(server: hub.Hub, folder: Path) -> None:
    models.upload(folder, NAME, public=True)
    assert server.repositories == {NAME: False}
    server.received.clear()
    assert refused(folder) == "me/adder: is public on the hub, give --public to push to it"
    assert not server.received


@pytest.mark.parametrize("at", ["/api/repos/create", "/preupload/", "/objects/batch", "/commit/"])
def test_a_refusal_is_told_in_a_line_wherever_it_comes(
    server: hub.Hub, folder: Path, at: str
) -> None:
    server.refuses, server.refuses_at = 403, at
    assert refused(folder).startswith("me/adder: access is refused: use a token that may write")


def test_a_server_that_fails_or_is_not_there_is_told_in_a_line(
    server: hub.Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.refuses = 500
    assert refused(folder) == "me/adder: the hub answers with status 500, try again later"
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "the upload failed (ConnectError), check the network" in refused(folder)


@pytest.mark.parametrize("name", ["adder", "a/b/c", "me/", "me/a b", "me/..", "me/\x1b[31m"])
def test_a_name_that_the_hub_would_refuse_is_refused_here(folder: Path, name: str) -> None:
    assert refused(folder, name).startswith("repository: ")


def test_nothing_is_sent_without_a_token(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert refused(folder).startswith("Hugging Face: no token, set HF_TOKEN to one that may write")


def test_a_folder_without_weights_or_a_valid_card_is_not_sent(folder: Path) -> None:
    card = folder / "README.md"
    for text in ("---\n[\n---\n", "---\n- a\n---\n", "---\nmodel-index: 3\n---\n"):
        card.write_text(text)
        assert "its front matter is invalid" in refused(folder)
    card.unlink()
    assert refused(folder).endswith("is no model folder to push, it has no README.md")
    (folder / "model.safetensors").unlink()
    assert refused(folder).endswith("it has no model.safetensors")
