"""EvalAI imports this package: the scorer of the Neural Latents Benchmark '21."""

from .main import evaluate

if __name__ != "evaluation_script":
    # So EvalAI loads it. What a scorer needs and would only import at work must be missed now, when
    # the challenge is loaded, and not at the first submission.
    import threadpoolctl  # noqa: F401

__all__ = ["evaluate"]
