"""Settings that people write as text, such as `STEPS=20`, read by the types of the parameters."""

from collections.abc import Iterable
from typing import Any

from tunix_rt_nb.common import InputError, strict_yaml
from tunix_rt_nb.runs.parameters import TEXTS, kinds


def read_settings(texts: Iterable[str], where: str) -> dict[str, Any]:
    """Read settings such as `STEPS=20`; return the values of parameters by name, in capitals.

    A parameter of type `str` gets its text as it stands, and so does an unknown one, which a later
    check refuses. The value of any other is YAML.

    Args:
      texts: the settings.
      where: the beginning of error messages.

    Raises:
      InputError: a setting is not NAME=VALUE, or its value is not YAML.

    Example:
      >>> read_settings(["steps=20", "MODEL=1e3"], "settings")
      {'STEPS': 20, 'MODEL': '1e3'}
    """
    types = kinds()
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, given = text.partition("=")
        if not equals or not name.strip():
            raise InputError(f"{where}: expected NAME=VALUE, found {text!r}")
        name = name.strip().upper()
        kind = types.get(name, "str")
        is_text, path = kind == "str", f"{where}: {name}"
        found[name] = given if is_text else strict_yaml.parse(path, given, kind in TEXTS)
    return found
