"""Every message of EvalAI has a rule and a broken bundle, or a reason; the page says so."""

from __future__ import annotations

import pytest

from nlb_evalai.challenge.evalai.rules.messages import MESSAGES, recorded_messages
from nlb_evalai.challenge.evalai.rules.registry import RULES
from tests.nlb_evalai.challenge.evalai.rules.refusals import FAMILIES, PAGE, broken_by, page


def test_every_recorded_message_has_an_answer_and_no_other_has_one():
    assert list(MESSAGES) == list(recorded_messages())


@pytest.mark.parametrize("message", recorded_messages())
def test_a_message_has_a_rule_and_a_broken_bundle_or_a_reason(message):
    answer = MESSAGES[message]
    cases = [case for family in FAMILIES for case in family.TABLE if message in case.breaks]
    assert bool(answer.rules) is not bool(answer.reason)
    # each rule is broken by a bundle of its own, and each bundle by a rule that is named
    assert {case.code for case in cases} == set(answer.rules)
    assert bool(broken_by(message)) is bool(answer.rules)


def test_the_rules_of_the_messages_exist():
    known = {rule.code for rule in RULES.rules()}
    assert {code for answer in MESSAGES.values() for code in answer.rules} <= known


def test_every_rule_has_a_sentence():
    for rule in RULES.rules():
        assert rule.sentence.endswith(".")
        assert " " in rule.sentence


def test_the_page_is_what_make_refusals_writes():
    assert PAGE.read_text(encoding="utf-8") == page()
