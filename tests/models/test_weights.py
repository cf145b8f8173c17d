"""What is wrong with a checkpoint's files is said before anything is loaded, by file and tensor."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file, save_file

from tests.helpers import growth
from tests.helpers.gemma import GEMMA2, GEMMA3, TOKENIZER, checkpoint, shards
from tunix_rt_nb import models
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import sources, weights
from tunix_rt_nb.models.weights import is_finite

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


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["f4", "f2", ml_dtypes.bfloat16])
def test_a_weight_that_is_no_number_is_named(folder: Path, bad: float, kind: Any) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights[UP][7, 5] = bad
    weights[UP] = weights[UP].astype(kind)
    save_file(weights, path)
    with pytest.raises(
        InputError, match=f"^{path}: {UP} holds NaN or infinite values: the file is"
    ):
        models.load(folder)


@given(arrays("f4", st.integers(0, 9), elements=st.floats(width=32)))
def test_finite_numbers_are_told_by_their_bits(values: np.ndarray) -> None:
    assert is_finite(values) == np.isfinite(values).all()


@pytest.mark.parametrize(
    "change", [lambda e: e + 1, lambda e: e[:-1].copy(), lambda e: e[0].copy()]
)
def test_a_head_that_is_not_the_embedding_is_refused(
    folder: Path, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    save_file({**weights, "lm_head.weight": change(weights["model.embed_tokens.weight"])}, path)
    says = f"^{path}: lm_head.weight differs from model.embed_tokens.weight, but Tunix's Gemma has"
    with pytest.raises(InputError, match=says):
        models.load(folder)


def test_a_header_of_200_000_tensors_is_refused_soon(folder: Path) -> None:
    path = folder / "model.safetensors"
    one = '"model.layers.%d.x":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    header = ",".join(one % n for n in range(200_000)).join("{}").encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)

    def refuse() -> None:
        assert weights.passed_over(folder) == []
        with pytest.raises(
            InputError, match=f"^{path}: its list of tensors takes .* bytes, expected at"
        ):
            models.load(folder)

    assert growth.calls(refuse) < 200_000  # less than one a tensor


@pytest.mark.parametrize(
    "name", ["../other.safetensors", "a" * 300, "x\0.safetensors", "config.json"]
)
def test_an_index_that_names_other_files_is_refused(sound: Path, tmp_path: Path, name: str) -> None:
    folder = shards(sound, tmp_path / "cut")
    path = folder / "model.safetensors.index.json"
    files.write_json(path, {"weight_map": {NORM: name}})
    for look in (models.load, lambda folder: sources.find(str(folder))):
        with pytest.raises(
            InputError, match=f"^{path}: weight_map: .*, expected the name of a safe"
        ):
            look(folder)


def test_an_index_that_is_nested_too_deep_is_refused(sound: Path, tmp_path: Path) -> None:
    folder = shards(sound, tmp_path / "cut")
    path = folder / "model.safetensors.index.json"
    path.write_text('{"weight_map": ' + "[" * 100_000)
    for look in (models.load, lambda folder: sources.find(str(folder))):
        with pytest.raises(InputError, match=f"^{path}: not a JSON object: "):
            look(folder)


@pytest.mark.parametrize("kind", ["f4", ml_dtypes.bfloat16])
def test_a_head_that_is_the_embedding_is_passed_over(tmp_path: Path, kind: Any) -> None:
    folder = checkpoint(tmp_path, GEMMA2)
    path = folder / "model.safetensors"
    weights = {name: weight.astype(kind) for name, weight in load_file(path).items()}
    save_file({**weights, "lm_head.weight": weights["model.embed_tokens.weight"]}, path)
    assert models.parameter_count(models.load(folder)[0]) == sum(w.size for w in weights.values())
