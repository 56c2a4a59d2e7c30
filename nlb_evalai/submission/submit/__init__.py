"""A submission's file goes to EvalAI in parts, is sent once, and goes on where it was interrupted.

EvalAI makes a submission when it is asked for the addresses of the parts, and that submission takes
quota and a place among those in hand until it is scored or cancelled. So everything that must not
happen twice is written down before it is asked for, and looked up where its answer was lost.
"""
