"""A road from reasoning traces to a fine-tuned model that shows its work."""

try:
    import fcntl
except ImportError:
    raise SystemExit("tunix_rt_nb needs Linux or macOS: on Windows, run it in WSL") from None

__version__ = "0.1.0"
