"""Files that a kernel on Kaggle leaves, when they are pulled: a file is made or altered outside the run's folder."""

import tempfile
from pathlib import Path

from tunix_rt_nb.common import InputError
from tunix_rt_nb.kaggle import pulling

_NAMES = (
    *(
        "../x",
        "../../x",
        "a/../../x",
        "a/../../../x",
        "runs/mine/../../../x",
        "..",
        "a/..",
        "/x",
        "//x",
    ),
    *(
        "/etc/passwd",
        "/tmp/x",
        "/",
        "..\\x",
        "a\\..\\..\\x",
        "C:\\x",
        "\\\\server\\x",
        "\x00",
        "x\x00y",
    ),
    *(
        "../x\x00.txt",
        "a\nb",
        "a\rb",
        "a\tb",
        "\x1b[31mx",
        "\x9b31m",
        "\u202etxt.exe",
        "\u2066x",
        "a\u2028b",
    ),
    *(
        "",
        ".",
        "./",
        "./..",
        "a/./../../x",
        "a//../../x",
        "x" * 1_001,
        "x/" * 600,
        "\ud800",
        "a/\x7f",
    ),
    *(
        "\ufeff../x",
        "\u200b../x",
        "../" * 50 + "etc/passwd",
        "a/\x00/../../x",
        "..\x00/x",
        "\u2066../x",
    ),
)
ATTACKS = list(_NAMES)


def attempt(attack: str) -> bool:
    """Takes a name for a path inside a folder, as a download does."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "a/b/c/output"
        folder.mkdir(parents=True)
        try:
            path = folder / pulling.safe("me/kernel", attack)
        except InputError as error:
            return "\n" in str(error)
        except Exception:
            return True
        return not path.resolve().is_relative_to(folder.resolve()) or path.resolve() == folder
