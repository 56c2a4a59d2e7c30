import pytest

pytest.register_assert_rewrite("tests.nlb_evalai.bundle_check.parts")
