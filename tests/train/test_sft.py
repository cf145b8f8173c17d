"""Model, training and sampling together, on a model that compiles in seconds."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file
from tensorboardX.proto import event_pb2
from tunix.models.gemma3 import model as gemma3

from tests.helpers.gemma import shallow
from tunix_rt_nb import models, tasks, train
from tunix_rt_nb.common import files
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import lora
from tunix_rt_nb.models.folder import _name
from tunix_rt_nb.models.tokenizer import Tokenizer, train_tokenizer
from tunix_rt_nb.render.encoding import encode
from tunix_rt_nb.render.examples import Example, Examples
from tunix_rt_nb.render.packing import Rows, pack
from tunix_rt_nb.trace.chat import render
from tunix_rt_nb.train import checkpoints, loss
from tunix_rt_nb.train.estimate import available_memory, estimate_step
from tunix_rt_nb.train.metrics import since_best
from tunix_rt_nb.train.optimizer import optimizer
from tunix_rt_nb.train.sft import SftConfig
from tunix_rt_nb.train.step import lowered, states, trainer

# Tunix 0.1.7 uses names that JAX 0.10 and Flax 0.12 have deprecated
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

DRAWN = list(tasks.draw("high_card_duel", 60, seed=0))
TEXTS = [s.text for t in DRAWN for s in (*render(t).prompt, *render(t).response) if not s.control]
TOKENIZER = Tokenizer(train_tokenizer(TEXTS, 512))
EXAMPLES = list(encode([render(t) for t in DRAWN], TOKENIZER, [t.id for t in DRAWN]))
LENGTH = 160
CONFIG = SftConfig(
    steps=8, batch_size=2, learning_rate=1e-3, warmup_steps=2, checkpoint_every=3, eval_every=4
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new model's folder."""
    return shallow(tmp_path_factory.mktemp("model"), TOKENIZER)


@pytest.fixture
def model(folder: Path) -> gemma3.Gemma3:
    return models.load(folder)[0]


def rows(examples: list[Example] = EXAMPLES) -> Rows:
    return pack(Examples.of(examples), LENGTH)


def state(model: nnx.Module) -> dict[str, np.ndarray]:
    return models.to_hugging_face(model)


def arrays(rows: Rows) -> dict[str, np.ndarray]:
    return rows.arrays(np.arange(len(rows)))


def logits(model: gemma3.Gemma3, rows: Rows) -> np.ndarray:
    batch = arrays(rows)
    same = batch["segments"][:, :, None] == batch["segments"][:, None, :]
    mask = same & np.tril(np.ones((LENGTH, LENGTH), bool))
    return np.asarray(_called(model, batch["tokens"], batch["positions"], mask)[0])


@nnx.jit
def _called(model: gemma3.Gemma3, tokens: jax.Array, positions: jax.Array, mask: jax.Array) -> Any:
    return model(tokens, positions, None, mask)


def test_the_same_seed_makes_the_same_model_and_no_feed_forward_kernel_is_zero(
    tmp_path: Path,
) -> None:
    made = [models.create("tiny", TOKENIZER, s, tmp_path / f"{n}") for n, s in enumerate((0, 0, 1))]
    first, again, other = ((folder / "model.safetensors").read_bytes() for folder in made)
    assert first == again != other
    weights = load_file(made[0] / "model.safetensors")
    kernels = [w for name, w in weights.items() if ".mlp." in name]
    assert len(kernels) == 9
    assert all(np.std(kernel) > 0.01 for kernel in kernels)


def test_saving_and_loading_keeps_every_weight(model: gemma3.Gemma3, tmp_path: Path) -> None:
    models.save(model, TOKENIZER, tmp_path)
    loaded, tokenizer = models.load(tmp_path)
    assert tokenizer.model == TOKENIZER.model
    assert np.array_equal(logits(loaded, rows()), logits(model, rows()))
    assert state(loaded).keys() == state(model).keys()


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no model \(no config\.json\)"):
        models.load(tmp_path)
    with pytest.raises(InputError, match="model: unknown 'huge', expected one of: tiny"):
        models.create("huge", TOKENIZER, 0, tmp_path)


def test_packing_does_not_change_the_loss(model: gemma3.Gemma3) -> None:
    each = np.arange(len(EXAMPLES))
    alone = Rows(Examples.of(EXAMPLES), LENGTH, order=each, ends=each + 1)
    assert len(rows()) < len(alone) / 1.8
    together = train.held_out_loss(model, rows())
    assert together == pytest.approx(train.held_out_loss(model, alone), abs=1e-5)


def test_an_example_never_sees_its_neighbour(model: gemma3.Gemma3) -> None:
    first, second = EXAMPLES[0], EXAMPLES[1]
    changed = Example("x", (*second.ids[:1], *reversed(second.ids[1:])), second.prompt)
    place = slice(0, len(first))
    one = logits(model, sft_rows(first, second))[0, place]
    other = logits(model, sft_rows(first, changed))[0, place]
    assert np.array_equal(one, other)
    reordered = Example("y", (*first.ids[:1], *reversed(first.ids[1:])), first.prompt)
    place = slice(len(first), len(first) + len(second))
    one = logits(model, sft_rows(first, second))[0, place]
    other = logits(model, sft_rows(reordered, second))[0, place]
    assert np.array_equal(one, other)
    alone = logits(model, sft_rows(second))[0, : len(second)]
    np.testing.assert_allclose(one, alone, atol=1e-4)


def sft_rows(*examples: Example) -> Rows:
    """One row with the examples in the order given, packed by hand."""
    n = len(examples)
    return Rows(Examples.of(examples), LENGTH, order=np.arange(n), ends=np.array([n]))


def test_the_loss_is_the_mean_over_trained_tokens_alone(model: gemma3.Gemma3) -> None:
    batch = arrays(rows())
    scores = jax.nn.log_softmax(logits(model, rows()).astype(np.float64), axis=-1)
    chosen = [
        -scores[row, column - 1, batch["tokens"][row, column]]
        for row, column in zip(*np.nonzero(batch["trained"]), strict=True)
    ]
    assert train.held_out_loss(model, rows()) == pytest.approx(float(np.mean(chosen)), abs=1e-5)


def test_every_epoch_gives_each_row_once_in_another_order() -> None:
    config = SftConfig(steps=2 * len(rows()), batch_size=1)
    feed = train.batches_of(rows(), config)
    seen = [feed[k]["tokens"].tobytes() for k in range(len(feed))]
    half = len(seen) // 2
    assert sorted(seen[:half]) == sorted(seen[half:])
    assert seen[:half] != seen[half:]


class Trained(NamedTuple):
    """A training of thirty steps, what it told, and the folder in which it left its files."""

    model: gemma3.Gemma3
    metrics: list[train.MetricsLine]
    out: Path


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    model, out = models.load(folder)[0], tmp_path_factory.mktemp("trained")
    config = CONFIG.model_copy(update={"steps": 30, "learning_rate": 4e-3})
    metrics = train.fine_tune(model, rows(), rows(EXAMPLES[:9]), config, out)
    return Trained(model, metrics, out)


def test_training_moves_every_weight_and_lowers_the_loss(
    trained: Trained, model: gemma3.Gemma3
) -> None:
    before, after, metrics = state(model), state(trained.model), trained.metrics
    assert [name for name, w in after.items() if np.array_equal(w, before[name])] == []
    held_out = [line["eval_loss"] for line in metrics if "eval_loss" in line]
    assert held_out[-1] < 0.5 * held_out[0]
    steps = [line["step"] for line in metrics if "loss" in line]
    assert steps == list(range(1, 31))
    assert [line["step"] for line in metrics if "eval_loss" in line] == [0, *range(4, 30, 4), 30]
    assert all(line["tokens_per_second"] > 0 for line in metrics[3:] if "loss" in line)
    assert train.summary(metrics)["eval_loss"] == pytest.approx(
        train.held_out_loss(trained.model, rows(EXAMPLES[:9])), abs=1e-6
    )


def test_a_step_cut_into_batches_is_the_same_step(folder: Path, tmp_path: Path) -> None:
    """Batches of a step have very different numbers of trained tokens; each counts the same."""
    short = [e for e in EXAMPLES if len(e) == min(map(len, EXAMPLES))]
    uneven = rows([*EXAMPLES[:13], *short[:1]])
    assert len(set(uneven.trained_tokens.tolist())) > 1
    found = []
    for size, accumulation in ((4, 1), (1, 4)):
        model, _ = models.load(folder)
        config = CONFIG.model_copy(
            update={"steps": 3, "batch_size": size, "accumulation": accumulation}
        )
        metrics = train.fine_tune(model, uneven, uneven, config, tmp_path / str(size))
        losses, norms = ([r[name] for r in metrics if name in r] for name in ("loss", "grad_norm"))
        assert len(losses) == 3
        found.append((losses, norms, train.summary(metrics)["eval_loss"]))
    (losses, norms, after), (again, same, then) = found
    assert again == pytest.approx(losses, abs=1e-5)
    assert same == pytest.approx(norms, rel=1e-4)
    assert then == pytest.approx(after, abs=1e-5)


@pytest.mark.parametrize("window", [8, 512])
def test_packing_changes_nothing_in_layers_with_a_sliding_window(
    folder: Path, tmp_path: Path, window: int
) -> None:
    shutil.copytree(folder, tmp_path / "model")
    config = files.read_json(folder / "config.json")
    files.write_json(tmp_path / "model/config.json", {**config, "sliding_window": window})
    model, _ = models.load(tmp_path / "model")
    test_packing_does_not_change_the_loss(model)
    test_an_example_never_sees_its_neighbour(model)
    wide, narrow = (train.held_out_loss(m, rows()) for m in (models.load(folder)[0], model))
    assert (wide == narrow) == (window == 512)


@pytest.mark.parametrize(  # AdamW in float32 moves every weight above
    ("optimizer", "dtype"),
    [("adamw", "bfloat16"), ("adafactor", "float32"), ("muon", "bfloat16")],
)
def test_every_optimiser_and_dtype_lowers_the_loss_and_keeps_the_weights_in_float32(
    folder: Path, tmp_path: Path, optimizer: str, dtype: str
) -> None:
    model, _ = models.load(folder)
    changed = {"steps": 30, "learning_rate": 4e-3, "optimizer": optimizer, "dtype": dtype}
    config = CONFIG.model_copy(update=changed)
    metrics = train.fine_tune(model, rows(), rows(EXAMPLES[:9]), config, tmp_path)
    held_out = [line["eval_loss"] for line in metrics if "eval_loss" in line]
    assert held_out[-1] < 0.6 * held_out[0]
    assert {x.dtype.name for x in jax.tree.leaves(nnx.state(model, nnx.Param))} == {"float32"}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_model_and_loss_change_no_type_in_silence(model: gemma3.Gemma3, dtype: str) -> None:
    """Optax does: its steps are counted in whole numbers."""
    batch = train.batches_of(rows(), CONFIG)[0]
    slope = nnx.value_and_grad(lambda model: loss.share(model, batch, dtype), has_aux=True)
    with jax.numpy_dtype_promotion("strict"):
        (value, _), slopes = nnx.eval_shape(slope, model)
    assert {x.dtype.name for x in (value, *jax.tree.leaves(slopes))} == {"float32"}


def test_norms_and_embeddings_are_not_decayed(folder: Path) -> None:
    params = nnx.as_pure(nnx.state(models.load(folder)[0], nnx.Param))
    zero = jax.tree.map(jnp.zeros_like, params)
    for name in ("adamw", "adafactor", "muon"):
        config = SftConfig.of(optimizer=name, weight_decay=0.5, warmup_steps=0)
        made = optimizer(config)
        change, _ = jax.jit(made.update)(zero, made.init(params), params)
        decayed = {_name(path) for path, x in jax.tree.leaves_with_path(change) if x.any()}
        matrices = {_name(path) for path, x in jax.tree.leaves_with_path(params) if x.ndim > 1}
        assert decayed == matrices - {"embedder.input_embedding"}


def test_computing_activations_anew_changes_no_loss(folder: Path, tmp_path: Path) -> None:
    losses = []
    for choice in ("none", "block", "decoder"):
        model, _ = models.load(folder, remat=choice)
        config = CONFIG.model_copy(update={"steps": 3})
        metrics = train.fine_tune(model, rows(), rows(EXAMPLES[:9]), config, tmp_path / choice)
        losses.append([line["loss"] for line in metrics if "loss" in line])
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    assert losses[2] == pytest.approx(losses[0], abs=1e-5)


def test_a_loss_that_is_no_number_is_not_the_best() -> None:
    assert since_best([0.9, 0.5, float("nan"), 0.7]) == 2
    assert since_best([float("nan"), 0.5, 0.7]) == 1
    assert since_best([]) == 0


def test_of_a_machines_memory_a_container_may_have_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [tmp_path / name for name in ("limit", "none", "absent")]
    monkeypatch.setattr("tunix_rt_nb.train.estimate._LIMITS", limits)
    limits[1].write_text("max\n")
    machine = available_memory()
    limits[0].write_text(f"{machine // 2}\n")
    assert available_memory() == machine // 2


def test_training_stops_early_and_the_best_weights_are_kept(folder: Path, tmp_path: Path) -> None:
    model, _ = models.load(folder)
    changed = {"steps": 300, "learning_rate": 0.05, "eval_every": 2, "patience": 2}
    config = CONFIG.model_copy(update=changed)
    held_out = rows(EXAMPLES[:9])
    metrics = train.fine_tune(model, rows(EXAMPLES[9:12] * 4), held_out, config, tmp_path)
    losses = {r["step"]: r["eval_loss"] for r in metrics if "eval_loss" in r and r["step"]}
    best = min(losses, key=lambda step: losses[step])
    assert max(losses) == best + 2 * 2 < 300
    assert train.held_out_loss(model, held_out) == pytest.approx(losses[max(losses)], abs=1e-6)
    assert checkpoints.load_best(tmp_path / "checkpoints", model) == best
    assert train.held_out_loss(model, held_out) == pytest.approx(losses[best], abs=1e-6)


def test_tensorboard_shows_what_the_metrics_say(trained: Trained) -> None:
    [path] = (trained.out / "tensorboard").iterdir()
    found = [(e.step, v.tag, v.simple_value) for e in events(path) for v in e.summary.value]
    told = [
        (r["step"], name, x) for r in trained.metrics for name, x in r.items() if name != "step"
    ]
    assert [key[:2] for key in found] == [key[:2] for key in told]
    assert [key[2] for key in found] == pytest.approx([key[2] for key in told], rel=1e-6)
    names = {"loss", "grad_norm", "learning_rate", "tokens_per_second", "utilisation", "eval_loss"}
    assert {name for _, name, _ in told} == names


def events(path: Path) -> Iterator[event_pb2.Event]:
    content = path.read_bytes()
    while content:
        size = int.from_bytes(content[:8], "little")
        yield event_pb2.Event.FromString(content[12 : 12 + size])
        content = content[16 + size :]


def test_the_estimate_is_of_the_step_that_is_taken(folder: Path) -> None:
    model, _ = models.load(folder)
    found = estimate_step(model, train.batches_of(rows(), CONFIG), CONFIG)
    weights = 4 * models.parameter_count(model)
    assert 3 * weights < found.state < 3 * weights + 100_000  # AdamW keeps two numbers a weight
    assert found.temporaries > weights  # gradients at least
    assert found.seconds > 0
    small = estimate_step(lora.apply(model, 4, 8.0), train.batches_of(rows(), CONFIG), CONFIG)
    assert weights < small.state < 1.3 * weights


@pytest.mark.parametrize(("optimizer", "least"), [("adafactor", 1.0), ("muon", 2.0)])
def test_the_estimate_knows_every_optimiser(folder: Path, optimizer: str, least: float) -> None:
    model, _ = models.load(folder)
    config = CONFIG.model_copy(update={"optimizer": optimizer})
    lowered(model, train.batches_of(rows(), config)[0], config)
    _, held, remembered = states(model, lambda model: trainer(model, config))
    size = sum(x.size for x in jax.tree.leaves(nnx.state((held, remembered))))
    assert least <= size / models.parameter_count(model) < least + 0.4


def test_a_step_that_cannot_fit_is_refused_before_it_is_taken(folder: Path) -> None:
    model, _ = models.load(folder)
    long = pack(Examples.of(EXAMPLES[:1]), 2**22)
    config = CONFIG.model_copy(update={"batch_size": 1})
    with pytest.raises(InputError, match=r"^batch_size: a step needs [\d,.]+ GiB per device, but"):
        estimate_step(model, train.batches_of(long, config), config)


def test_too_few_rows_are_an_error_before_compiling(tmp_path: Path, folder: Path) -> None:
    model, _ = models.load(folder)
    few = rows(EXAMPLES[:2])
    with pytest.raises(InputError, match="batch_size: a step needs 2 rows, but there are only 1"):
        train.fine_tune(model, few, few, CONFIG, tmp_path)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", 2.0),
        ("speed", 1),
        ("optimizer", "sgd"),
        ("dtype", "float64"),
        ("patience", -1),
        ("clip_norm", 0.0),
        ("clip_norm", float("inf")),
        ("steps", True),
        ("steps", "8"),
    ],
)
def test_a_value_out_of_range_is_named(field: str, value: float | str) -> None:
    with pytest.raises(InputError, match=f"^{field}: "):
        SftConfig.of(**{field: value})
