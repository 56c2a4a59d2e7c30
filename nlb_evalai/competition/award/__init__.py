"""Rules that are data turn EvalAI's export, the store and people's decisions into prizes."""
