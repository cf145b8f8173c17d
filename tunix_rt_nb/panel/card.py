"""A card in Markdown as HTML that cannot act: no scripts, no HTML of its own, no pictures."""

from typing import Any

import mistune

from tunix_rt_nb.panel.parts import safe


class _Plain(mistune.HTMLRenderer):
    def image(self, text: str, url: str, title: str | None = None) -> str:
        """Return the text of a picture, because a picture tells its server who reads the card."""
        return safe(text)

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        """Return a heading of a level below those of the panel."""
        return super().heading(text, min(level + 2, 6))


def to_html(card: str) -> str:
    """Return a card as HTML, without its YAML.

    Example:
      >>> to_html("---\\na: b\\n---\\n# Sums\\n<script>x</script>\\n")
      '<h3>Sums</h3>\\n<p>&lt;script&gt;x&lt;/script&gt;</p>\\n'
    """
    if card.startswith("---\n"):
        card = card.partition("\n---\n")[2]
    read = mistune.create_markdown(renderer=_Plain(escape=True), plugins=["table"])
    return str(read(card))
