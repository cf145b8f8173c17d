"""Model folders as they are found: the same logits as the plain folder, or what to do."""

import shutil
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file

from tests.helpers.gemma import CONFIGS, GEMMA2, GEMMA3, TOKENIZER, TOKENS, checkpoint
from tunix_rt_nb import models
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import hf_names, lora, sources, weights

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
Tensors = dict[str, np.ndarray]
VISION = {
    "vision_tower.patch.weight": np.ones((3, 3), "f4"),
    "vision_tower.patch.bias": np.ones(3, "f4"),
    "multi_modal_projector.norm.weight": np.ones(3, "f4"),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("model"), GEMMA3)


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(plain, tmp_path / "model"))


def change(folder: Path, by: Callable[[Tensors], Tensors]) -> None:
    path = folder / "model.safetensors"
    save_file(by(load_file(path)), path)


@nnx.jit
def _run(model: models.Model, tokens: jax.Array) -> jax.Array:
    rows, length = tokens.shape
    mask = jnp.tile(jnp.tril(jnp.ones((length, length), bool)), (rows, 1, 1))
    return model(tokens, jnp.tile(jnp.arange(length), (rows, 1)), None, mask)[0]


def logits(folder: Path, dtype: str = "float32") -> np.ndarray:
    model, _ = models.load(folder, dtype=dtype)
    return np.asarray(_run(model, jnp.asarray(TOKENS)))


def newer(tensors: Tensors) -> Tensors:
    """As Gemma3ForConditionalGeneration of newer Transformers names them."""
    text = {f"model.language_model.{k.removeprefix('model.')}": v for k, v in tensors.items()}
    return {**text, **{f"model.{k}": v for k, v in VISION.items()}}


def older(tensors: Tensors) -> Tensors:
    return {**{f"language_model.{k}": v for k, v in tensors.items()}, **VISION}


@pytest.mark.slow
@pytest.mark.parametrize("named", [newer, older])
def test_the_text_part_of_a_multimodal_model_is_loaded(
    plain: Path, folder: Path, named: Callable[[Tensors], Tensors], capsys: pytest.CaptureFixture
) -> None:
    change(folder, named)
    told = {
        "model_type": "gemma3",
        "architectures": ["Gemma3ForConditionalGeneration"],
        "text_config": files.read_json(plain / "config.json"),
        "vision_config": {"hidden_size": 8},
    }
    files.write_json(folder / "config.json", told)
    assert np.array_equal(logits(folder), logits(plain))
    assert models.base(str(folder), TOKENIZER, 0, folder / "none") == folder
    assert capsys.readouterr().out.splitlines() == [
        f"model: the folder {folder}",
        "model: passed over 3 vision weights",
    ]


def test_a_text_weight_that_a_multimodal_model_lacks_is_named(folder: Path) -> None:
    change(folder, lambda w: newer({k: v for k, v in w.items() if k != "model.norm.weight"}))
    with pytest.raises(InputError, match=r"has no model\.norm\.weight, which config.json asks for"):
        models.load(folder)


def test_a_weight_under_the_names_of_two_versions_is_refused(folder: Path) -> None:
    change(folder, lambda w: {**newer(w), **older(w)})
    with pytest.raises(InputError, match=r"holds \S+, which it also holds as \S+$"):
        models.load(folder)


def in_bfloat16(tensors: Tensors, but: str) -> Tensors:
    return {k: v if but in k else v.astype(ml_dtypes.bfloat16) for k, v in tensors.items()}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_of_several_types_are_each_read_as_what_they_are(
    plain: Path, folder: Path, tmp_path: Path, dtype: str
) -> None:
    change(folder, lambda w: in_bfloat16(w, but="norm"))
    same = Path(shutil.copytree(plain, tmp_path / "same"))
    rounded = in_bfloat16(load_file(plain / "model.safetensors"), but="norm")
    save_file({k: v.astype("f4") for k, v in rounded.items()}, same / "model.safetensors")
    assert np.array_equal(logits(folder, dtype), logits(same, dtype))
    norm = load_file(plain / "model.safetensors")["model.norm.weight"]
    loaded, _ = models.load(folder)
    assert np.array_equal(loaded.final_norm.scale.get_value(), norm)


@pytest.mark.slow
def test_an_adapter_beside_the_model_is_passed_over_and_said(
    plain: Path, folder: Path, capsys: pytest.CaptureFixture
) -> None:
    adapted = lora.apply(models.load(plain)[0], rank=2, alpha=4.0)
    lora.save_adapter(adapted, folder)
    assert np.array_equal(logits(folder), logits(plain))
    assert models.content_hash(folder) == models.content_hash(plain)
    models.base(str(folder), TOKENIZER, 0, folder / "none")
    assert "model: passed over adapter_model.safetensors\n" in capsys.readouterr().out


def test_of_a_damaged_file_nothing_is_counted(folder: Path) -> None:
    assert weights.passed_over(folder) == []
    (folder / "model.safetensors").write_bytes(b"cut")
    assert weights.passed_over(folder) == []


@pytest.mark.slow
def test_an_adapter_in_place_of_a_model_is_told_to_be_merged(plain: Path, tmp_path: Path) -> None:
    adapted = lora.apply(models.load(plain)[0], rank=2, alpha=4.0)
    folder = lora.save_adapter(adapted, tmp_path / "mine", base="google/gemma-3-270m")
    says = "it is an adapter of google/gemma-3-270m, merge it first: with the library PEFT, Auto"
    for look in (models.load, lambda folder: sources.find(str(folder))):
        with pytest.raises(InputError, match=rf"^{folder}: .*no config.json\)?: {says}") as error:
            look(folder)
        assert "\n" not in str(error.value)
    # a configuration beside it makes it no model
    shutil.copy(plain / "config.json", folder)
    shutil.copy(plain / "tokenizer.model", folder)
    with pytest.raises(InputError, match="it has no model.safetensors: it is an adapter"):
        sources.find(str(folder))


@pytest.mark.parametrize("told", ["[1", '{"base_model_name_or_path": null}', "[]"])
def test_an_adapter_of_an_unknown_model_is_still_told(tmp_path: Path, told: str) -> None:
    (tmp_path / "adapter_config.json").write_text(told)
    with pytest.raises(InputError, match="adapter"):
        sources.find(str(tmp_path))


def test_a_tokenizer_in_another_format_is_told_where_to_get_the_model(folder: Path) -> None:
    (folder / "tokenizer.model").rename(folder / "tokenizer.json")
    says = "which tokenizer.json does not replace: copy it from the base model, such as google/.*"
    for look in (models.load, lambda folder: sources.find(str(folder))):
        with pytest.raises(InputError, match=rf"no tokenizer.model\)?, {says}$"):
            look(folder)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "pytorch_model.bin",
            "PyTorch's format, convert them first: with the library Transformers",
        ),
        ("mine.gguf", "give the file .*/mine.gguf in place of the folder$"),
    ],
)
def test_weights_in_another_format_are_told_how_to_be_used(
    folder: Path, name: str, says: str
) -> None:
    (folder / "model.safetensors").rename(folder / name)
    for look in (models.load, lambda folder: sources.find(str(folder))):
        with pytest.raises(InputError, match=says):
            look(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.model", "model.safetensors"])
def test_a_folder_in_place_of_a_file_is_no_model(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    for look in (models.load, lambda folder: sources.find(str(folder))):
        with pytest.raises(
            InputError, match=rf"^{folder}: (holds|is not a model folder, it has) no "
        ):
            look(folder)


def test_a_damaged_tokenizer_is_named_by_its_file(folder: Path) -> None:
    path = folder / "tokenizer.model"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(
        InputError, match=rf"^{path}: its SentencePiece model is cut off or damaged"
    ):
        models.load(folder)


@pytest.mark.parametrize("config", [CONFIGS["gemma3 long"], GEMMA2, CONFIGS["gemma2 plain"]])
def test_joined_weights_are_those_that_were_taken_apart(tmp_path: Path, config: dict) -> None:
    """Heads of queries, keys and values differ in number and are joined in two ways."""
    model, _ = models.load(checkpoint(tmp_path, config))
    for path, weight in hf_names.by_path(model).items():
        parts = list(hf_names.tensors({path: np.asarray(weight)}).values())
        assert np.array_equal(hf_names.joined(path, parts, weight.shape), weight)
