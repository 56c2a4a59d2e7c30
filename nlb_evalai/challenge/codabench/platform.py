"""Codabench as a platform."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional

from evaluation_script.suites import Suite
from nlb_evalai.challenge.build import BuiltBundle, Content
from nlb_evalai.challenge.codabench.bundle import build_bundle, program_files
from nlb_evalai.challenge.codabench.compose import CONFIG_NAME
from nlb_evalai.challenge.codabench.replica import Replica
from nlb_evalai.challenge.codabench.rules.registry import RULES
from nlb_evalai.challenge.codabench.rules.run import check_bundle
from nlb_evalai.challenge.platform import Platform
from nlb_evalai.challenge.rules.finding import Finding
from nlb_evalai.errors import ToolError


class Codabench(Platform):
    """Codabench runs a command in an image, which leaves its answer in a folder."""

    name = "codabench"
    title = "Codabench"
    config_name = CONFIG_NAME
    rules = RULES
    need_suite = ("suite-phase", "suite-column", "truth-complete")

    def program(self, suite: Suite) -> Dict[str, Content]:
        return program_files(suite)

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
        if old is not None:
            raise ToolError("--diff: Codabench updates no competition from a bundle: leave it out")
        return check_bundle(path, suite)

    def replica(self, bundle: Path) -> Replica:
        return Replica(bundle)


PLATFORM = Codabench()
