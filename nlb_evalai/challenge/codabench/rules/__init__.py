"""Rules find everything that Codabench would refuse in a bundle, or take and then trip over.

They are grouped by what they look at: ``shape``, ``phases``, ``board``, ``program`` and ``pages``;
those about the zip and the truth are shared by all platforms.
"""
