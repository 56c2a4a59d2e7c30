"""Rules about the zip that are EvalAI's own."""

from __future__ import annotations

from typing import Iterator

from nlb_evalai.challenge.evalai.config import CONFIG_NAME
from nlb_evalai.challenge.evalai.rules.contents import UPLOAD_MIB, Bundle
from nlb_evalai.challenge.evalai.rules.registry import RULES, Fault, check
from nlb_evalai.challenge.rules.archive import ARCHIVE
from nlb_evalai.challenge.rules.finding import WARNING
from nlb_evalai.challenge.rules.limits import MIB

RULES.include(ARCHIVE)


@check("config-once", sentence="There is no second config under EvalAI's other name for it.")
def the_config_is_there_once(bundle: Bundle) -> Iterator[Fault]:
    for name in bundle.other_configs:
        if name in bundle.names:
            yield name, f"EvalAI takes it for a second {CONFIG_NAME}: leave it out"


@check("bundle-size", WARNING, "The bundle is small enough for the upload.")
def bundles_can_be_uploaded(bundle: Bundle) -> Iterator[Fault]:
    size = bundle.path.stat().st_size / MIB
    if size > UPLOAD_MIB:
        yield (
            str(bundle.path),
            f"has {size:,.0f} MiB, and EvalAI's proxy is said to take {UPLOAD_MIB} MB: "
            "leave out what is not needed",
        )
