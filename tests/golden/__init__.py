"""Chat templates as their authors published them, run by Jinja as Transformers runs them."""

from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from tunix_rt_nb.trace.templates import TEMPLATES

_JINJA = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
_PUBLISHED = {
    name: _JINJA.from_string((Path(__file__).parent / f"{name}.jinja").read_text())
    for name in TEMPLATES
}


def published(template: str, system: str, *turns: str, **options: Any) -> str:
    """A chat, the user's turn first, as the published template writes it."""
    messages = [{"role": "system", "content": system}] if system else []
    roles = ("user", "assistant")
    messages += [{"role": roles[n % 2], "content": turn} for n, turn in enumerate(turns)]
    chosen = TEMPLATES[template]
    return _PUBLISHED[template].render(
        messages=messages, bos_token=chosen.bos or "", eos_token=chosen.stop, **options
    )
