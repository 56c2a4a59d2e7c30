"""EvalAI: its configuration, its zip, its rules, a replica of its worker, and the push to it."""
