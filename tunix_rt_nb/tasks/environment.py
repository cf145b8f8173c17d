"""Export of a task as an environment package for `verifiers`, which trains with rewards.

The exported package holds no data: it imports `tunix_rt_nb` to draw problems and score answers.

Source: github.com/PrimeIntellect-ai/verifiers. Up to its version 0.3 an environment is a function
`load_environment`; since 0.4 it is a `Taskset`. The exported package has both.
"""

import sys
from importlib.metadata import packages_distributions
from pathlib import Path
from string import Template

import tunix_rt_nb
from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.host import origin
from tunix_rt_nb.tasks.registry import get

_OWN = "own_task.py"  # the name of a user's task file inside the package


def export_environment(name: str, folder: Path) -> list[Path]:
    """Write an environment package for a task into a new folder, and return its files.

    Raises:
      InputError: the task is unknown, or the path exists and is not an empty folder.
    """
    task = get(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already, expected a new folder")
    module = f"tunix_rt_{name}"
    home = type(task).__module__
    own = getattr(sys.modules[home], "__file__", None) if home.startswith("_task_file_") else None
    at = f"{origin.REPOSITORY}@{origin.COMMIT}"
    needed = [f"tunix_rt_nb @ git+{at}"] if origin.REPOSITORY else []
    if not own and not home.startswith("tunix_rt_nb."):
        needed += packages_distributions()[home.partition(".")[0]]
    space = task.space()
    n_eval = 100 if space is None else min(100, space // 5)
    values = {
        "name": name,
        "module": module,
        "package": module.replace("_", "-"),
        "about": task.about,
        "prefix": "".join(part.capitalize() for part in name.split("_")),
        "version": tunix_rt_nb.__version__,
        "install": "" if origin.REPOSITORY else "pip install path/to/tunix_rt_nb\n",
        "needed": ", ".join(f'"{one}"' for one in [*needed, "verifiers>=0.1.14"]),
        "n_eval": str(n_eval),
        "n_train": str(1000 if space is None else min(1000, space - n_eval - 1)),
        "paths": "\nfrom pathlib import Path" if own else "",
        "load": f'\ntasks.load_from([Path(__file__).with_name("{_OWN}")])\n' if own else "",
    }
    texts = {path: Template(text).substitute(values) for path, text in _FILES.items()}
    if own:
        texts[f"$module/{_OWN}"] = Path(own).read_text(encoding="utf-8")
    written = [folder / path.replace("$module", module) for path in texts]
    for path, text in zip(written, texts.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.atomic(path) as file:
            file.write(text.encode())
    return written


_PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "$package"
version = "$version"
description = "$about"
requires-python = ">=3.11"
dependencies = [$needed]

[tool.hatch.build.targets.wheel]
packages = ["$module"]

[tool.hatch.metadata]
allow-direct-references = true
"""

_README = """\
# $package

An environment of [verifiers](https://github.com/PrimeIntellect-ai/verifiers): $about.

Problems, their worked solutions and both rewards come from the task `$name` of `tunix_rt_nb`.
`right_answer` is 1.0 if its verifier takes the answer, else 0.0. `right_steps` is the share of the
written steps that its checker takes, in which a missing step counts as wrong. An example in the
system prompt shows the form of a response.

```sh
${install}pip install -e .
vf-eval $package -n 5
```

| argument | what it is | default |
| --- | --- | --- |
| `n_train`, `n_eval` | how many problems; no problem is in both | $n_train, $n_eval |
| `seed` | decides which problems | 0 |
| `difficulty` | `easy`, `medium` or `hard` | `easy` |

Since verifiers 0.4 they are fields of the taskset, with `split`: `train` or `eval`.
"""

_INIT = """\
\"\"\"The task `$name` of tunix_rt_nb as an environment of verifiers.\"\"\"

from importlib.util import find_spec

if find_spec("verifiers.envs"):  # verifiers up to 0.3
    from $module.environment import load_environment

    __all__ = ["load_environment"]
else:
    from $module.taskset import ${prefix}Taskset

    __all__ = ["${prefix}Taskset"]
"""

_PROBLEMS = """\
\"\"\"Problems of the task `$name`, and the scores of what a model writes to them.\"\"\"

from functools import lru_cache$paths

from tunix_rt_nb import tasks
from tunix_rt_nb.evaluate.grade import grade
from tunix_rt_nb.trace import Generation, Trace, parse_line, respond
$load
FORM = "Solve the problem in numbered steps, in the form of this example.\\n\\n{}\\n\\n{}"


def problems(
    n_train: int, n_eval: int, seed: int, difficulty: str
) -> tuple[str, list[Trace], list[Trace]]:
    \"\"\"Return a system prompt, and solved problems to train and to evaluate on.\"\"\"
    n = 1 + n_eval + n_train
    example, *drawn = tasks.draw("$name", n, seed, difficulty)
    system = FORM.format(example.prompt, respond(example))
    return system, drawn[n_eval:], drawn[:n_eval]


@lru_cache(maxsize=1024)
def scores(trace: str, said: str) -> tuple[float, float]:
    \"\"\"Return the score of the answer in a response, and the share of right steps.\"\"\"
    graded = grade("", parse_line(trace, "problem"), Generation(said, 0, True))
    return graded["score"], graded["steps_right"]
"""

_ENVIRONMENT = """\
\"\"\"The environment as verifiers loads it up to version 0.3.\"\"\"

from typing import Any

import verifiers as vf
from datasets import Dataset

from $module.problems import problems, scores


def load_environment(
    n_train: int = $n_train,
    n_eval: int = $n_eval,
    seed: int = 0,
    difficulty: str = "easy",
    **kwargs: Any,
) -> vf.Environment:
    \"\"\"Load the environment; `kwargs` go to `vf.SingleTurnEnv`.\"\"\"
    system, train, held_out = problems(n_train, n_eval, seed, difficulty)
    return vf.SingleTurnEnv(
        dataset=_rows(train),
        eval_dataset=_rows(held_out) if held_out else None,
        system_prompt=system,
        rubric=vf.Rubric(funcs=[right_answer, right_steps], weights=[1.0, 0.5]),
        **kwargs,
    )


def right_answer(completion: Any, info: dict[str, Any], **kwargs: Any) -> float:
    \"\"\"Return 1.0 if the answer is right, else 0.0.\"\"\"
    return scores(info["trace"], _said(completion))[0]


def right_steps(completion: Any, info: dict[str, Any], **kwargs: Any) -> float:
    \"\"\"Return the share of right steps.\"\"\"
    return scores(info["trace"], _said(completion))[1]


def _said(completion: Any) -> str:
    return completion if isinstance(completion, str) else str(completion[-1]["content"] or "")


def _rows(traces: list[Any]) -> Dataset:
    return Dataset.from_list(
        [
            {"question": t.prompt, "answer": t.final_answer, "info": {"trace": t.canonical()}}
            for t in traces
        ]
    )
"""

_TASKSET = """\
\"\"\"The environment as verifiers loads it since version 0.4.\"\"\"

from typing import Literal

import verifiers.v1 as vf

from $module.problems import problems, scores


class ${prefix}Data(vf.TaskData):
    \"\"\"A problem: its answer, and the trace that solves it.\"\"\"

    answer: str
    solved: str


class ${prefix}Task(vf.Task[${prefix}Data]):
    \"\"\"The rewards of a problem.\"\"\"

    @vf.reward(weight=1.0)
    async def right_answer(self, trace: vf.Trace) -> float:
        \"\"\"Return 1.0 if the answer is right, else 0.0.\"\"\"
        return scores(self.data.solved, trace.last_reply)[0]

    @vf.reward(weight=0.5)
    async def right_steps(self, trace: vf.Trace) -> float:
        \"\"\"Return the share of right steps.\"\"\"
        return scores(self.data.solved, trace.last_reply)[1]


class ${prefix}Config(vf.TasksetConfig):
    \"\"\"Which problems there are.\"\"\"

    split: Literal["train", "eval"] = "train"
    n_train: int = $n_train
    n_eval: int = $n_eval
    seed: int = 0
    difficulty: str = "easy"


class ${prefix}Taskset(vf.Taskset[${prefix}Task, ${prefix}Config]):
    \"\"\"Problems of the task `$name`.\"\"\"

    def load(self) -> list[${prefix}Task]:
        \"\"\"Draw the problems.\"\"\"
        c = self.config
        system, train, held_out = problems(c.n_train, c.n_eval, c.seed, c.difficulty)
        return [
            ${prefix}Task(
                ${prefix}Data(
                    prompt=t.prompt,
                    system_prompt=system,
                    answer=t.final_answer,
                    solved=t.canonical(),
                ),
                c.task,
            )
            for t in (train if c.split == "train" else held_out)
        ]
"""

_FILES = {
    "pyproject.toml": _PYPROJECT,
    "README.md": _README,
    "$module/__init__.py": _INIT,
    "$module/problems.py": _PROBLEMS,
    "$module/environment.py": _ENVIRONMENT,
    "$module/taskset.py": _TASKSET,
}
