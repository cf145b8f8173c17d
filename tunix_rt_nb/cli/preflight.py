"""tunix-rt-nb preflight: whether a run fits on a TPU and how long it takes, found without a TPU."""

from typing import Any

import click

from tunix_rt_nb import runs, train
from tunix_rt_nb.cli import progress, terminal
from tunix_rt_nb.cli.options import default_option, end, json_option, set_option, settings_of


@click.command("preflight")
@click.argument("profile", default="kaggle-tpu")
@set_option
@default_option("--topology", default="v5e:2x4", help="The chips; the default is a Kaggle v5e-8.")
@default_option("--trained", default=0.6, help="Largest share of a row's tokens that is trained.")
@default_option("--fill", default=0.95, help="Share of a row that is not padding.")
@click.option("--rounds", is_flag=True, help="Also for the rounds of 6_improve.")
@click.option("--search", is_flag=True, help="Look for the largest batch that fits.")
@json_option
def preflight_command(
    profile: str,
    settings: tuple[str, ...],
    topology: str,
    trained: float,
    fill: float,
    rounds: bool,
    search: bool,
    as_json: bool,
) -> None:
    """Tell whether training and evaluation of PROFILE fit on a TPU, without having one.

    PROFILE is the name of a built-in profile, or the path of a YAML file of parameters.

    This compiles for the chips the same programs that training and evaluation run; it downloads and
    runs nothing. Exits with 1 if a program does not fit. Needs the extras `train` and `tpu`, and
    some minutes for a large model.

    \b
    Examples:
      tunix-rt-nb preflight
      tunix-rt-nb preflight kaggle-tpu --set MODEL=gemma3-4b --set LORA_RANK=16 --search
      tunix-rt-nb preflight kaggle-tpu --rounds --set PROMPTS=64 --set GROUP=8
      tunix-rt-nb preflight kaggle-tpu-gemma2 --topology v6e:2x4 --json
    """
    values = runs.parameters.load_profile(profile) | settings_of(settings)
    data = {"trained": trained, "fill": fill, "search": search}
    parameters = runs.parameters.resolve(values)
    training, answers = train.preflight.of_run(parameters, topology, **data)

    def told(line: str) -> None:
        terminal.echo(f"  {line}", err=True)

    with progress.progress("compiling a step of training") as shown:
        step = train.preflight.train(training, told)
        shown.say("compiling the programs that answer")
        generation = train.preflight.generate(answers, told)
    found: dict[str, Any] = {"training": step, "generation": generation}
    page = f"{train.preflight.page(step)}\n{train.preflight.page(generation)}"
    if rounds:
        of_rounds = train.preflight.of_rounds(step, generation, parameters["improve"])
        found["rounds"] = of_rounds
        page += f"\n{train.preflight.page_of_rounds(of_rounds)}"
    terminal.echo_result(found, page, as_json)
    end(all(part["fits"] for part in found.values()))
