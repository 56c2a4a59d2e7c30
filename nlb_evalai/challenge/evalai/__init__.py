"""EvalAI's own is here: its configuration, zip, rules, a replica of its worker, and the push."""
