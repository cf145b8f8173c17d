"""Text of unknown origin, made safe for a terminal."""


def printable(text: str) -> str:
    r"""Replace unprintable characters, which a terminal might obey, by U+FFFD; keep line breaks.

    Example:
      >>> printable("a\x1b[31mb\n")
      'a�[31mb\n'
    """
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


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
