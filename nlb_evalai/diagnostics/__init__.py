"""Diagnostics say why a model scores what it scores, and a comparison tells two models apart."""
