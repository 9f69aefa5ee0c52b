"""The training loop, its clustering start and its worker process."""
