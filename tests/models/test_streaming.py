"""An answer that is read while it is written is the one that comes when it is waited for."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.models.test_sampling import GEMMA, PROMPTS
from tests.train.test_sft import TOKENIZER
from tunix_rt_nb import models
from tunix_rt_nb.models import sampling, shapes, streaming

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.slow
def test_a_stream_grows_into_the_whole_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "ROOM", 32)  # so that the cache must grow
    model, _ = models.load(models.create("tiny", TOKENIZER, seed=0, folder=tmp_path))
    [waited_for] = sampling.generate(model, TOKENIZER, PROMPTS[:1], GEMMA.stops, 18, batch_size=1)
    looks = [*models.stream(model, TOKENIZER, PROMPTS[0], GEMMA.stops, 18)]
    assert looks[-1] == (waited_for, True)
    assert not any(whole for _, whole in looks[:-1])
    texts = [found.text for found, _ in looks]
    assert all(later.startswith(text) for text, later in pairwise(texts))
    assert len(looks) == -(-18 // streaming.TOKENS)
