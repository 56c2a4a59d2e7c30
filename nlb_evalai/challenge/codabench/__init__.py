"""All that knows Codabench is here: its bundle, scoring program, rules and replica."""
