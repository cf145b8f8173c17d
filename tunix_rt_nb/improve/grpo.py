"""A GRPO job for Tunix's own command line, `python -m tunix.cli.grpo_main FILE`."""

from pathlib import Path
from typing import Any

from tunix_rt_nb import dataset, models
from tunix_rt_nb.common import InputError, strict_yaml
from tunix_rt_nb.trace import form
from tunix_rt_nb.train import Job

_GENERATIONS = 4  # answers to each prompt, which GRPO compares with each other


def grpo_yaml(job: Job) -> str:
    """Return the YAML with which Tunix 0.1.7 trains a model by GRPO, rewarded by our checkers.

    It has every key that Tunix needs, because its wheel lacks the base file that has the others. So
    it is the first argument of `tunix.cli.grpo_main`; `key=value` after it changes a key.

    Args:
      job: says which model to train on which dataset, and how. A batch has `batch_size` prompts,
        each answered four times. A prompt may take half of `max_seq_length`, its answer the rest.

    Raises:
      InputError: the data is not the folder of a dataset, or the model not a folder with a
        tokenizer.
    """
    folder, model = Path(job.dataset.path), Path(job.model.model_id)
    if not folder.is_dir():
        raise InputError(f"dataset.path: {folder}: expected the folder of a dataset")
    if not (model / "tokenizer.model").is_file():
        raise InputError(
            f"model.model_id: {model}: expected a folder with tokenizer.model, such as"
            " runs/quickstart/4_train/model: GRPO rewards a model that can answer already"
        )
    return strict_yaml.dump(_config(job, folder, model))


def _config(job: Job, folder: Path, model: Path) -> dict[str, Any]:
    written, how = job.form(), job.training
    stop = form(written["template"], written["style"], written["system"]).template.stop
    tokenizer = models.Tokenizer((model / "tokenizer.model").read_bytes())
    batch = min(how.batch_size, dataset.read_manifest(folder)["split"]["train"])
    out, answer = Path(job.output.output_dir), how.max_seq_length // 2
    return {
        "training_mode": "grpo",
        # The name is only looked at for its family; the weights are those of the folder.
        "model_config": {
            "model_name": "gemma-3-270m",
            "model_id": str(model),
            "model_source": "internal",  # which `grpo_data` lets Tunix load
            "model_display": False,
        },
        "actor_model_config": {"mesh": {"shape": "(1,1)", "axis_names": "('fsdp','tp')"}},
        "reference_model_config": {},
        "rollout_model_config": {},
        "tokenizer_config": {
            "tokenizer_type": "sentencepiece",
            "tokenizer_path": str(model / "tokenizer.model"),
            "add_bos": False,  # Tunix's sampler adds it
            "add_eos": False,
        },
        "data_module": "tunix_rt_nb.improve.grpo_data",
        "data_config": {"folder": str(folder), **written},
        "apply_chat_template_to_dataset": False,
        "reward_functions": ["tunix_rt_nb.improve.grpo_reward"],
        "verl_compatible": False,
        "batch_size": batch,
        "num_batches": None,
        "num_train_epochs": how.num_epochs,
        "train_fraction": 1.0,
        "rollout_engine": "vanilla",
        "offload_to_cpu": False,
        "rollout_config": {
            "max_prompt_length": how.max_seq_length - answer,
            "total_generation_steps": answer,
            "temperature": 1.0,
            "eos_tokens": [tokenizer.control(stop)],
        },
        "grpo_config": {
            "num_generations": _GENERATIONS,
            "num_iterations": 1,
            "beta": 0.04,
            "epsilon": 0.2,
        },
        "rl_training_config": {
            "max_steps": None,
            "eval_every_n_steps": 1_000_000,
            "mini_batch_size": batch,
            "train_micro_batch_size": batch,
            "checkpoint_root_directory": str(out / "checkpoints"),
            "metrics_logging_options": {"log_dir": str(out / "tensorboard")},
            "actor_optimizer_config": {
                "opt_type": "adamw",
                "learning_rate": how.learning_rate,
                "weight_decay": how.weight_decay,
            },
        },
    }
