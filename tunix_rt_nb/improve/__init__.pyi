from .grpo import grpo_yaml as grpo_yaml
