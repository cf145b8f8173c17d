"""The model of a run, asked from the command line, exported and pushed."""

import json
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from click.testing import CliRunner, Result
from huggingface_hub import constants

from tests.conftest import NOW, some
from tests.helpers import hub
from tests.helpers.run_folders import finished
from tests.train.test_sft import TOKENIZER
from tunix_rt_nb import dataset, models
from tunix_rt_nb.cli import chat
from tunix_rt_nb.cli.main import main
from tunix_rt_nb.report import model_card
from tunix_rt_nb.store import TraceStore
from tunix_rt_nb.trace import EARLIER, Trace
from tunix_rt_nb.trace.chat import form

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")

TURNS = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def contents(folder: Path, under: str) -> dict[str, bytes]:
    return {f"{under}/{path.name}": path.read_bytes() for path in folder.iterdir()}


def built(folder: Path, traces: list[Trace]) -> Path:
    """The output of a build step, made of these traces."""
    store = TraceStore(folder / "traces")
    store.add(traces, NOW)
    return dataset.build(store, dataset.DatasetSpec.of(dataset_name="x"), folder / "datasets")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a run up to its training, whose model is new and says nothing of sense."""
    home = tmp_path_factory.mktemp("home")
    run = home / "runs" / "one"
    model = models.create("tiny", TOKENIZER, seed=0, folder=home / "made")
    model_card.write(model, {"name": "one"})
    names = {"template": "gemma", "style": "numbered", "system": "", "form_sha256": form().sha256}
    rendered = {"dataset_key": "x-v1", "dataset_sha256": "ab", **names}
    finished(run, "generate", {"traces/x.jsonl": b"traces"})
    finished(run, "build", contents(built(home, some("arithmetic", 8, seed=0)), "x-v1"))
    finished(run, "render", {"manifest.json": rendered})
    finished(run, "train", contents(model, "model"))
    parameters = {"train": {"MODEL": "tiny"}, "evaluate": {"MAX_NEW_TOKENS": 3}}
    run_json = {"format": 1, "run_id": "one", "parameters": parameters}
    (run / "run.json").write_text(json.dumps(run_json))
    return home


@pytest.fixture(autouse=True)
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNIX_RT_HOME", str(trained))


def call(*arguments: str, text: str = "", code: int = 0) -> Result:
    found = CliRunner().invoke(main, arguments, input=text)
    assert found.exit_code == code, found.output
    return found


@pytest.mark.slow
def test_questions_come_by_option_or_one_a_line() -> None:
    one = call("chat", "one", "--ask", "What is 1 + 2?")
    assert one.stdout.startswith("· ") and "> " not in one.stdout
    assert "cut off: the reply reached the limit of tokens" in one.stderr
    both = call("chat", "one", text="What is 1 + 2?\n\n/reset\n What is 1 + 2?\n").stdout
    assert both.count("> What is 1 + 2?\n") == 2
    assert both.replace("> What is 1 + 2?\n", "") == one.stdout * 2
    lines = call("chat", "one", "--json", text="What is 1 + 2?\n").stdout.splitlines()
    [record] = map(json.loads, lines)
    assert record["question"] == "What is 1 + 2?"
    shown = record["text"].replace("\n", "\n  ")
    assert f"· {shown}\n" == one.stdout
    assert (record["answer"], record["whole"], record["stopped"]) == (None, True, False)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["chat", "two"], "run: unknown 'two'"),
        (["chat", "one", "--ask", " "], "question: is blank"),
        (["models", "export", "two", "--as", "gguf", "-o", "x"], "run: unknown 'two'"),
        (["models", "export", "one", "--as", "orbax", "--type", "f16", "-o", "x"], "--type: only"),
        (["models", "push", "one", "me"], "repository: 'me', expected owner/name"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(arguments: list[str], told: str) -> None:
    lines = call(*arguments, code=2).stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"tunix-rt-nb: {told}")


def test_a_run_that_is_not_trained_is_told_in_a_line(trained: Path) -> None:
    finished(trained / "runs" / "bare", "generate", {"traces/x.jsonl": b"traces"})
    for arguments in (["chat", "bare"], ["models", "push", "bare", "me/x"]):
        assert "result.json: is missing, run 4_train.ipynb" in call(*arguments, code=2).stderr


def test_turns_are_kept_if_the_training_data_has_them(tmp_path: Path) -> None:
    for turns, more in ((False, {}), (True, {EARLIER: TURNS})):
        traces = [
            Trace.of(f"What is {n} + 1?", [("s", "Add.")], str(n + 1), more) for n in range(8)
        ]
        folder = built(tmp_path / str(turns), traces).parent
        assert chat._has_turns(folder) is turns


def test_a_model_is_exported(tmp_path: Path) -> None:
    gguf, orbax = tmp_path / "x.gguf", tmp_path / "orbax"
    assert call("models", "export", "one", "--as", "gguf", "-o", str(gguf)).stdout == f"{gguf}\n"
    assert gguf.read_bytes()[:4] == b"GGUF"
    call("models", "export", "one", "--as", "orbax", "-o", str(orbax))
    assert (orbax / "_METADATA").exists()
    assert (
        "exists already"
        in call("models", "export", "one", "--as", "orbax", "-o", str(orbax), code=2).stderr
    )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[hub.Hub]:
    monkeypatch.setenv("HF_TOKEN", "hf_averysecrettoken")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with hub.serving(hub.Upload) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield server
    huggingface_hub.close_session()


def test_a_model_is_pushed(server: hub.Hub, trained: Path) -> None:
    told = call("models", "push", "one", "me/adder")
    assert told.stdout == f"http://127.0.0.1:{server.server_port}/me/adder\n"
    model = trained / "runs/one/4_train/model"
    assert server.received == {path.name: path.read_bytes() for path in model.iterdir()}
    assert server.repositories == {"me/adder": True}
    server.refuses = 500
    refused = call("models", "push", "one", "me/adder", "--public", code=2)
    assert "me/adder: the hub answers with status 500" in refused.stderr
    assert "secret" not in refused.output
