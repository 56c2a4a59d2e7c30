"""A static site shows the boards of a competition: every entry, with error bars and its history."""
