"""A road from reasoning traces to a fine-tuned model that shows its work."""

__version__ = "0.1.0"
