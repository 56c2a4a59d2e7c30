import pytest

pytest.register_assert_rewrite("tests.nlb_evalai.challenge.evalai.rules.parts")
