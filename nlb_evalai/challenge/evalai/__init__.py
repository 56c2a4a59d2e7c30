"""All that knows EvalAI is here: its configuration, zip, rules, replica, and the push."""
