"""What is wrong with a checkpoint's files is said before anything is loaded, by file and tensor."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.helpers.gemma import GEMMA2, GEMMA3, TOKENIZER, checkpoint, shards
from tunix_rt_nb import models
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Tensors = dict[str, np.ndarray]
NORM, UP = "model.norm.weight", "model.layers.3.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("model"), GEMMA3)


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(sound, tmp_path / "model"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: w.pop(UP), f"has no {UP}, which config.json asks for"),
        (lambda w: [w.pop(NORM), w.pop(UP)], f"has no {UP} and 1 more of the model"),
        (lambda w: w.update({UP: w[UP].T.copy()}), f"{UP} has the shape 48 x 80, expected 80"),
        (lambda w: w.update({UP[:-6]: w[UP]}), f"holds {UP[:-6]}, which the model in config"),
        (lambda w: w.update({"model.layers.6.x": w[NORM]}), "holds model.layers.6.x, which the"),
        (lambda w: w.update({UP: w[UP].astype("i4")}), f"{UP} is of type I32, expected one of: F3"),
    ],
)
def test_a_tensor_that_is_not_as_described_is_named(
    folder: Path, change: Callable[[Tensors], None], says: str
) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path)
    with pytest.raises(InputError, match=f"^{path}: .*{says}") as raised:
        models.load(folder)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("keep", [0, 5, 700, 0.5, -1])
def test_a_file_that_is_cut_off_is_named(folder: Path, keep: float) -> None:
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(InputError, match=f"^{path}: is cut off or damaged, fetch it again: "):
        models.load(folder)


def test_a_shard_that_is_missing_is_named(sound: Path, tmp_path: Path) -> None:
    folder = shards(sound, tmp_path / "cut")
    second = folder / "model-00002-of-00002.safetensors"
    weights = load_file(second)
    first_missing = next(name for name in weights if name != NORM)
    save_file({n: w for n, w in weights.items() if n != first_missing}, second)
    with pytest.raises(InputError, match=f"^{second}: has no {first_missing}, which config.json"):
        models.load(folder)
    second.unlink()
    with pytest.raises(
        InputError, match=f"^{second}: is missing, but model.safetensors.index.json"
    ):
        models.load(folder)
    files.write_json(folder / "model.safetensors.index.json", {"weight_map": [1]})
    with pytest.raises(InputError, match="index.json: has no weight_map from tensors to files"):
        models.load(folder)


def test_a_tensor_that_is_there_twice_is_named(folder: Path) -> None:
    shutil.copy(folder / "model.safetensors", folder / "other.safetensors")
    with pytest.raises(
        InputError, match=r"other.safetensors: holds model.*, which model.safetensors holds"
    ):
        models.load(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.model", "model.safetensors"])
def test_a_folder_that_misses_a_file_is_told_which(folder: Path, name: str) -> None:
    (folder / name).unlink()
    what = "weights" if "safetensors" in name else "model"
    with pytest.raises(InputError, match=f"^{folder}: holds no {what} \\(no .*{name[-8:]}"):
        models.load(folder)


@pytest.mark.parametrize("rows", [-1, 65])
def test_a_vocabulary_that_is_not_the_tokenizers_is_told(folder: Path, rows: int) -> None:
    size = len(TOKENIZER) + rows
    files.write_json(folder / "config.json", {**GEMMA3, "vocab_size": size})
    says = f"vocab_size: {size}, but tokenizer.model has {len(TOKENIZER)} pieces"
    with pytest.raises(InputError, match=f"^{folder}/config.json: {says}"):
        models.load(folder)


def test_parts_that_a_text_model_can_do_without_are_passed_over(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, GEMMA2)
    path = folder / "model.safetensors"
    weights = load_file(path)
    save_file({**weights, "lm_head.weight": weights["model.embed_tokens.weight"]}, path)
    assert models.parameter_count(models.load(folder)[0]) == sum(w.size for w in weights.values())
