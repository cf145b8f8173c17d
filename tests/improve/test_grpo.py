"""A GRPO job, executed by Tunix's own command line."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.conftest import NOW, some
from tunix_rt_nb import dataset, improve, models, render, train
from tunix_rt_nb.cli import main
from tunix_rt_nb.common import InputError
from tunix_rt_nb.improve import grpo_data, grpo_reward
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace import chat, respond

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.slow]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the dataset `sums-v1` and a tiny model for it."""
    home = tmp_path_factory.mktemp("home")
    store = TraceStore(home / "traces")
    store.add(some("arithmetic", 40, seed=0), NOW)
    built = dataset.build(store, dataset.DatasetSpec.of(dataset_name="sums"), home)
    tokenizer = render.tokenizer_for("tiny", built, 512, "gemma", "numbered")
    models.create("tiny", tokenizer, 0, home / "base")
    return home


def written(home: Path, *options: str) -> Path:
    path = home / "grpo.yaml"
    source, model, out = (str(home / name) for name in ("sums-v1", "base", "out"))
    asked = ["--for", "tunix-grpo", "--model-id", model, "--output-dir", out, "-o", str(path)]
    told = CliRunner().invoke(main, ["datasets", "tunix-yaml", source, *asked, *options])
    assert told.exit_code == 0, told.output
    return path


def test_tunix_itself_executes_two_steps_of_it(home: Path) -> None:
    path = written(home, "--batch-size", "2", "--max-length", "96", "--epochs", "1")
    less = ["num_batches=2", "grpo_config.num_generations=2"]
    told = subprocess.run(
        [sys.executable, "-m", "tunix.cli.grpo_main", str(path), *less],
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stderr[-3_000:]
    assert (home / "out" / "checkpoints" / "actor" / "2").is_dir()


def test_the_job_is_made_of_the_same_settings(home: Path) -> None:
    found = yaml.safe_load(written(home, "--learning-rate", "1e-6").read_text())
    assert found["batch_size"] == 8
    assert found["rl_training_config"]["actor_optimizer_config"]["learning_rate"] == 1e-6
    form = {"template": "gemma", "style": "numbered", "system": ""}
    assert found["data_config"] == {"folder": str(home / "sums-v1"), **form}
    rollout = found["rollout_config"]
    assert rollout["max_prompt_length"] + rollout["total_generation_steps"] == 2_048


def test_the_reward_is_that_of_our_checkers(home: Path) -> None:
    asked = grpo_data.create_dataset(str(home / "sums-v1"), "gemma", "numbered", "")
    [*traces] = (trace for _, trace in dataset.load(home / "sums-v1", "train"))
    assert len(asked) == len(traces)
    first, trace = asked[0], traces[0]
    assert first["prompts"] == chat.render(trace).given
    right, answer = respond(trace), f"Answer: {trace.final_answer}<end_of_turn>"
    said = [f"{right}<end_of_turn>\n", answer, "Answer: no", "Hm.", ""]
    rewards = grpo_reward.reward([], said, [first["trace"]] * len(said))
    assert rewards[0] == 2.0
    assert rewards[1] == 1.0
    assert rewards[2:] == [0.0, 0.0, 0.0]


def test_a_job_without_a_dataset_or_a_model_that_answers_is_refused(home: Path) -> None:
    out = {"output_dir": str(home / "out")}
    data = {"path": str(home / "sums-v1")}
    with pytest.raises(InputError, match="model.model_id: tiny: expected a folder with tokenizer"):
        improve.grpo_yaml(train.Job.of(dataset=data, output=out))
    file = {"path": str(home / "sums-v1" / "train.jsonl")}
    with pytest.raises(InputError, match="dataset.path: .* expected the folder of a dataset"):
        improve.grpo_yaml(train.Job.of(dataset=file, output=out))
