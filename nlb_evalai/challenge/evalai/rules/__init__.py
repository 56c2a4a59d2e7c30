"""Rules find everything that EvalAI would refuse in a bundle, or take and then trip over.

Each rule is one small function, registered under a code (see ``registry``); ``run`` applies all
of them. They are grouped by what they look at: ``archive``, ``config``, ``boards``, ``script``,
``pages``, ``truth``. ``diff`` holds what an update of a live challenge may not change.
"""
