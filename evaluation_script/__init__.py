"""EvalAI imports this package: the scorer of the Neural Latents Benchmark '21."""

from .main import evaluate

__all__ = ["evaluate"]
