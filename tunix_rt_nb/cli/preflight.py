"""tunix-rt-nb preflight: does it fit on a TPU, and how long does it take, without a TPU."""

import json
from collections.abc import Iterator
from typing import Any

import click

from tunix_rt_nb.cli.options import json_option


def _count(name: str, default: int, help: str, least: int = 1) -> Any:
    kind = click.IntRange(min=least)
    return click.option(name, type=kind, default=default, show_default=True, help=help)


def _choice(name: str, default: str, names: tuple[str, ...], help: str) -> Any:
    kind = click.Choice(names)
    return click.option(name, type=kind, default=default, show_default=True, help=help)


_TYPES = ("float32", "bfloat16")


@click.command("preflight")
@click.option("--model", required=True, help="A name as gemma3-1b, or a model's folder.")
@click.option(
    "--topology", default="v5e:2x4", show_default=True, help="The chips; a Kaggle v5e-8 unless set."
)
@_count("--tp", 1, "Chips that share the width of a layer.")
@_count("--batch", 32, "Rows a batch; with --generate, prompts at a time.")
@_count("--length", 2048, "Tokens of a row.", least=2)
@_count("--longest", 0, "Tokens of the longest example; 0: as long as a row.", least=0)
@click.option(
    "--trained", type=float, default=0.5, show_default=True, help="Share of tokens that is trained."
)
@click.option(
    "--fill", type=float, default=0.95, show_default=True, help="Share of a row that is no padding."
)
@_count("--accumulation", 1, "Batches a step.")
@_count("--steps", 1000, "Steps of the whole run.")
@_choice("--optimizer", "adamw", ("adamw", "adafactor", "muon"), "What is remembered a weight.")
@_choice("--dtype", "bfloat16", _TYPES, "What is multiplied in.")
@_choice("--weights", "float32", _TYPES, "What weights are kept in.")
@_choice("--remat", "block", ("none", "block", "decoder"), "What is computed anew to save memory.")
@_count("--lora-rank", 0, "Rank of the adapters that are trained; 0: all weights are.", least=0)
@click.option("--lora-alpha", type=float, default=32.0, show_default=True, help="Of the adapters.")
@click.option("--lora-modules", help="Which matrices get adapters: a regular expression.")
@click.option("--search", is_flag=True, help="Look for the largest batch that fits.")
@click.option("--generate", "generation", is_flag=True, help="Answer prompts instead of training.")
@_count("--prompt", 256, "With --generate, tokens of the longest prompt.")
@_count("--new-tokens", 256, "With --generate, tokens that an answer may have.")
@json_option
@click.pass_context
def preflight_command(context: click.Context, as_json: bool, **options: Any) -> None:
    """Tell whether training or generation fits on a TPU, without having one.

    The very step that training takes is compiled for the chips; nothing is downloaded or run. Ends
    with 1 where it does not fit. Needs the extras `train` and `tpu`, and some minutes for a large
    model.

    \b
    Examples:
      tunix-rt-nb preflight --model gemma3-1b --batch 32 --remat decoder
      tunix-rt-nb preflight --model gemma3-4b --topology v6e:2x4 --lora-rank 16 --search
      tunix-rt-nb preflight --model gemma3-1b --generate --batch 64 --json
    """
    from tunix_rt_nb import preflight

    def told(line: str) -> None:
        click.echo(f"  {line}", err=True)

    shared = {name: options[name] for name in ("model", "topology", "tp", "weights")}
    if options["generation"]:
        answer = preflight.generate(
            preflight.Generation.of(
                **shared,
                batch_size=options["batch"],
                prompt=options["prompt"],
                new_tokens=options["new_tokens"],
            ),
            told,
        )
    else:
        answer = preflight.train(_training(shared, options), told)
    if as_json:
        click.echo(json.dumps(answer))
    else:
        click.echo("\n".join(_page(answer, options)))
    context.exit(0 if answer["fits"] else 1)


def _training(shared: dict[str, Any], options: dict[str, Any]) -> Any:
    from tunix_rt_nb.preflight import Training

    config = {name: options[name] for name in ("accumulation", "steps", "optimizer", "dtype")}
    names = ("length", "longest", "trained", "fill", "remat", "lora_rank", "lora_alpha", "search")
    given = {name: options[name] for name in names}
    if options["lora_modules"]:
        given["lora_modules"] = options["lora_modules"]
    return Training.of(**shared, **given, config={**config, "batch_size": options["batch"]})


def _page(answer: dict[str, Any], options: dict[str, Any]) -> Iterator[str]:
    if options["generation"]:
        for name in ("prefill", "decode"):
            if name in answer:
                yield from (f"{name}: {line}" for line in _memory(answer[name]))
        if answer["fits"]:
            speed = options["batch"] / answer["decode"]["seconds"]
            yield f"decode: at most {speed:,.0f} tokens/s"
        return
    yield from _memory(answer)
    if answer["fits"]:
        yield f"  the loss alone  {_size(answer['loss'])}"
        yield (
            f"a step and chip: {answer['flops'] / 1e12:.2f} TFLOP, {answer['bytes'] / 1e9:.1f} GB"
            f" moved, at least {answer['seconds']:.3f} s"
        )
        yield (
            f"at most {answer['tokens_per_second']:,.0f} tokens/s;"
            f" {options['steps']:,} steps take at least {answer['hours']:.2f} h"
        )
    if "largest_batch" in answer:
        least = "" if answer["certain"] else "at least "
        yield f"largest batch: {least}{answer['largest_batch']} rows"


def _memory(found: dict[str, Any]) -> Iterator[str]:
    verdict = "fits" if found["fits"] else "does not fit"
    yield f"{verdict}: needs {_size(found['needed'])} of {_size(found['available'])} a chip"
    for name, size in found["parts"].items():
        yield f"  {name:<14}  {_size(size)}"


def _size(size: int) -> str:
    return f"{size / 2**30:.2f} GiB" if size >= 2**27 else f"{size / 2**20:.2f} MiB"
