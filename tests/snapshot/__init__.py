"""What the project answers today, to the last digit and word, held against what it answered.

    python -m tests.snapshot --record           # write tests/data/snapshot/*.json anew
    python -m tests.snapshot --record probes    # ... or some of them

``entry`` has the project's entry points and is the one place that knows where they are.
``scorer`` needs ``evaluation_script`` alone; ``tools``, ``bundles`` and ``sessions`` run the
``nlb-evalai`` command. The tests stand with those of the two packages.
"""
