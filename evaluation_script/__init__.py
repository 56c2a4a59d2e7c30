"""The scorer of the Neural Latents Benchmark '21, as EvalAI imports it."""

from .main import evaluate

__all__ = ["evaluate"]
