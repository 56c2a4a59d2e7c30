"""Everything around the scorer lives here: what organizers, participants and workers run."""

__version__ = "0.1.0"
