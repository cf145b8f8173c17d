"""Text for a terminal: of unknown origin and made safe, or long and cut off; counts in words."""

import json
from collections.abc import Sequence


def printable(text: str) -> str:
    r"""Replace unprintable characters, which a terminal might obey, by U+FFFD; keep line breaks.

    Example:
      >>> printable("a\x1b[31mb\n")
      'a�[31mb\n'
    """
    if text.replace("\n", "").isprintable():  # most texts are, and this is fast
        return text
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def escaped(text: str) -> str:
    r"""Escape the unprintable characters in a text that is JSON, so that it stays the same JSON.

    Example:
      >>> print(escaped('{"a": "\x9b\u202e"}'))
      {"a": "\u009b\u202e"}
    """
    if text.replace("\n", "").isprintable():
        return text
    # JSON has no unprintable character outside its strings, line breaks apart.
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def one_line(text: str, width: int = 200) -> str:
    r"""Shorten a text to one line of at most `width` characters; make it printable.

    Example:
      >>> one_line("two\nlines", 7)
      'two li…'
    """
    most = width + 1  # at most this many words, or characters of a word, can show
    words = text.split(None, most)[:most]
    line = printable(" ".join(word[:most] for word in words))
    return line if len(line) <= width else line[: width - 1] + "…"


def first_of(lines: Sequence[str], where: str = "", most: int = 20) -> list[str]:
    """Return the first lines and, if there are more, a line that says how many.

    Args:
      lines: the lines.
      where: a file that holds all the lines, to be named in the added line; empty for no such file.
      most: how many of `lines` to return; the added line is not counted.

    Example:
      >>> first_of(["a", "b", "c", "d"], "x.txt", most=2)
      ['a', 'b', '… and 2 more, all are in x.txt']
    """
    more = f"… and {len(lines) - most:,} more" + (f", all are in {where}" if where else "")
    return [*lines[:most], more] if len(lines) > most else list(lines)


def counted(n: int, noun: str) -> str:
    """Return a number with its noun; each `{s}` in the noun becomes `s`, or nothing if `n` is 1.

    Example:
      >>> counted(1, "line{s} skipped"), counted(1200, "question{s} with answer{s}")
      ('1 line skipped', '1,200 questions with answers')
    """
    return f"{n:,} {noun.replace('{s}', '' if n == 1 else 's')}"
