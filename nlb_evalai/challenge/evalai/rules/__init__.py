"""Rules find everything that EvalAI would refuse in a bundle, or take and then trip over.

Each rule is one small function, registered under a code (see ``registry``); ``run`` applies all
of them. They are grouped by what they look at: ``archive``, ``shape`` (made from the table of
``fields``), ``config``, ``boards``, ``script``, ``pages``, ``truth``. ``messages`` says which rules
stand for which message of EvalAI's validator. ``diff`` holds what an update of a live challenge
may not change.
"""
