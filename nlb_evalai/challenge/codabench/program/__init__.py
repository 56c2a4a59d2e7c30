"""On Codabench this goes around the one scoring call: the upload comes in, one answer goes out.

It stands beside ``evaluation_script`` in the scoring program's zip, and imports nothing else.
"""
