import re
import subprocess
import sys

import pytest

from tunix_rt_nb.common.errors import InputError
from tunix_rt_nb.models import catalog

DOWNLOADED = [known for known in catalog.MODELS.values() if known.hugging_face]


def test_the_models_have_the_names_that_profiles_use() -> None:
    assert list(catalog.MODELS) == [
        "tiny",
        "gemma3-270m",
        "gemma3-270m-it",
        "gemma3-1b",
        "gemma3-1b-it",
        "gemma3-4b",
        "gemma2-2b",
        "gemma2-2b-it",
    ]
    assert all(known.name == name for name, known in catalog.MODELS.items())
    assert len(DOWNLOADED) == len(catalog.MODELS) - 1


@pytest.mark.parametrize("known", DOWNLOADED, ids=lambda known: known.name)
def test_every_model_is_pinned_and_the_same_everywhere(known: catalog.Known) -> None:
    assert re.fullmatch(r"[0-9a-f]{40}", known.revision)
    owner, model, framework, variation, version = known.kaggle.split("/")
    assert (owner, framework) == ("google", "transformers")
    assert known.hugging_face == f"{owner}/{variation}"
    assert int(version) > 0
    assert known.family == model.replace("-", "")
    assert known.name.endswith("-it") == variation.endswith("-it")


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown 'gemma3-1b-lt', did you mean gemma3-1b-it"):
        catalog.get("gemma3-1b-lt")


def test_a_repository_on_the_hub_is_another_name_of_its_model() -> None:
    for known in DOWNLOADED:
        assert catalog.named(known.hugging_face) == known.name
        assert catalog.get(known.hugging_face) == known
        assert catalog.is_known(known.hugging_face)
    with pytest.raises(
        InputError, match="'google/gemma-3-270m-itt', did you mean google/gemma-3-270m-it"
    ):
        catalog.get("google/gemma-3-270m-itt")
    told = str(catalog.unknown_model("MODEL", "runs/best"))
    assert told.startswith("MODEL: runs/best does not exist, known names: tiny, gemma3-270m")


def test_the_catalog_is_light() -> None:
    heavy = "jax", "numpy", "huggingface_hub", "kagglehub", "gguf"
    code = (
        f"import sys, tunix_rt_nb.models.catalog; print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
