"""The mistakes that make a model learn nothing, planted on purpose: each is refused or reported.

The usual three: a loss mask shifted by one, a template that differs between training and
evaluation, a model that is trained on the prompts alone.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOW, some
from tunix_rt_nb import dataset, render
from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.evaluate import predict, sum_up, warnings
from tunix_rt_nb.evaluate.comparison import compare
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.render.examples import Example, Examples
from tunix_rt_nb.store.store import TraceStore
from tunix_rt_nb.trace import templates
from tunix_rt_nb.trace.chat import form
from tunix_rt_nb.trace.response import Generation, respond

TRACES = some("high_card_duel", 60, seed=0)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    store = TraceStore(folder / "traces")
    store.add(TRACES, NOW)
    return dataset.build(store, dataset.DatasetSpec.of(dataset_name="d"), folder)


MASKS: dict[str, Callable[[Example], Example]] = {
    "the mask begins a token late": lambda e: Example(e.id, e.ids, e.prompt + 1),
    "the mask begins a token early": lambda e: Example(e.id, e.ids, e.prompt - 1),
    "the tokens are shifted under the mask": lambda e: Example(e.id, (*e.ids[1:], 0), e.prompt),
    "the stop token is not trained": lambda e: Example(e.id, e.ids[:-1], e.prompt),
    "the prompts alone are trained": lambda e: Example(e.id, e.ids[: e.prompt], 0),
    "the prompts are trained too": lambda e: Example(e.id, e.ids, 1),
    "nothing is trained": lambda e: Example(e.id, e.ids, len(e)),
}


@pytest.mark.parametrize("planted", MASKS)
def test_a_wrong_loss_mask_is_refused_before_anything_is_trained(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: str
) -> None:
    tokenizer = render.tokenizer_for("tiny", source, 512, "gemma", "numbered")
    encode = render.encode

    def wrong(*arguments: Any) -> Examples:
        return Examples.of([MASKS[planted](example) for example in encode(*arguments)])

    monkeypatch.setattr("tunix_rt_nb.render.render.encode", wrong)
    with pytest.raises(InputError, match="cannot be rendered, it breaks this law: "):
        render.render_dataset(source, tmp_path / "out", tokenizer)
    assert not (tmp_path / "out/manifest.json").exists()  # without which nothing trains


def manifest(template: str = "gemma", style: str = "numbered") -> Any:
    how = form(template, style)
    return {"template": template, "style": style, "system": "", "form_sha256": how.sha256}


@pytest.mark.parametrize(
    "change",
    [{"after_prompt": "<end_of_turn>\n<start_of_turn>model"}, {"before_prompt": "user\n"}],
)
def test_a_template_that_is_not_that_of_training_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    trained = manifest()
    changed = dataclasses.replace(templates.TEMPLATES["gemma"], **change)
    monkeypatch.setitem(templates.TEMPLATES, "gemma", changed)
    with pytest.raises(InputError, match="template: gemma in style numbered has changed, run 3_re"):
        predict(tmp_path, [("x", TRACES[0])], trained)


@pytest.mark.parametrize("change", [{"template": "chatml"}, {"style": "tags"}, {"system": "Hi."}])
def test_a_manifest_that_names_another_form_than_it_was_rendered_in_is_refused(
    tmp_path: Path, change: dict[str, str]
) -> None:
    with pytest.raises(InputError, match="has changed, run 3_render again"):
        predict(tmp_path, [("x", TRACES[0])], {**manifest(), **change})


def answered(text: Callable[[int], str], stopped: bool = True) -> list[Any]:
    return [
        grade(str(k), trace, Generation(text(k), 64, stopped)) for k, trace in enumerate(TRACES)
    ]


SAID: dict[str, Callable[[int], str]] = {  # what a model with such a mistake writes
    "it goes on with prompts": lambda k: f"{TRACES[k].prompt}\n{TRACES[k - 1].prompt}",
    "it writes in another style": lambda k: respond(TRACES[k], "tags"),
    "it leaves out its first token": lambda k: respond(TRACES[k]).removeprefix("R"),
}


@pytest.mark.parametrize("planted", SAID)
def test_what_such_a_model_writes_is_reported(planted: str) -> None:
    told = warnings(sum_up(answered(SAID[planted])))
    assert any("0% of the answers are in the style that was trained" in line for line in told)
    right = sum_up(answered(lambda k: respond(TRACES[k])))
    assert warnings(right) == []


def test_a_model_whose_stop_token_was_not_trained_is_reported() -> None:
    card = sum_up(answered(lambda k: respond(TRACES[k]), stopped=False))
    assert any("0% of the answers end with the stop token" in x for x in warnings(card))


def test_models_that_were_asked_in_two_templates_are_not_compared() -> None:
    one = [{**p, **manifest()} for p in answered(lambda k: respond(TRACES[k]))]
    two = [{**p, **manifest("chatml")} for p in one]
    with pytest.raises(InputError, match="compare: A and B have different templates"):
        compare(one, two)
