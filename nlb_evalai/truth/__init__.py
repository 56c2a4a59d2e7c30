"""NWB sessions become annotation files and model inputs here; published files are known.

Each module has one job in the flow::

    nwb.py ── one file ──> recording.py ── files joined ──> resample.py ── bins ─┐
    sessions.py (what differs between datasets, as data) ──> windows.py ── rows ─┤
                                     smoothing.py, psth.py ── per condition ─────┤
                                                        targets.py, inputs.py <──┘
                                                              │
                          files.py (written whole or not at all) <── build.py ── verify.py

Beside it, known.py lists the files that were published, identify.py says what a file is, and
publish.py puts truth on private storage.

Every array equals the one of the reference ``nlb_tools`` 0.0.4 bit for bit; where that one
stops on a fault, the result is what it was meant to be. ``docs/ground-truth.md`` says which
behaviors are kept and why.
"""
