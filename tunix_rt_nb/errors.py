"""The one error that users cause: it is told in one line, in a terminal and in a notebook."""


class InputError(Exception):
    """Bad input: the message names the file, line and field, what was expected and what to do.

    The command line prints it as one line and exits with 2; a notebook shows the line without
    a traceback, because the traceback is ours and the mistake is not.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]
