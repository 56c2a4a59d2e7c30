"""EvalAI as a platform."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional

import evaluation_script
from evaluation_script.suites import Suite
from nlb_evalai.challenge.build import BuiltBundle, Content, files_of
from nlb_evalai.challenge.evalai.bundle import build_bundle
from nlb_evalai.challenge.evalai.config import CONFIG_NAME
from nlb_evalai.challenge.evalai.replica.worker import Replica
from nlb_evalai.challenge.evalai.rules.registry import RULES
from nlb_evalai.challenge.evalai.rules.run import check_bundle
from nlb_evalai.challenge.evalai.rules.suites import NEED_SUITE
from nlb_evalai.challenge.platform import Platform
from nlb_evalai.challenge.rules.finding import Finding
from nlb_evalai.challenge.suite_files import of_ones_own


class EvalAI(Platform):
    """EvalAI imports the scorer and calls its ``evaluate``, whose answer it takes as it is."""

    name = "evalai"
    title = "EvalAI"
    config_name = CONFIG_NAME
    rules = RULES
    need_suite = NEED_SUITE

    def program(self, suite: Suite) -> Dict[str, Content]:
        folder = Path(evaluation_script.__file__).parent
        return {**files_of(folder), **of_ones_own(suite)}

    def build(
        self,
        out: Path,
        annotations: Optional[Path] = None,
        *,
        suite: Suite,
        head: Optional[Path] = None,
    ) -> BuiltBundle:
        return build_bundle(out, annotations, suite=suite, head=head)

    def check(
        self, path: Path, old: Optional[Path] = None, suite: Optional[Suite] = None
    ) -> List[Finding]:
        return check_bundle(path, old, suite)

    def replica(self, bundle: Path) -> Replica:
        return Replica(bundle)


PLATFORM = EvalAI()
