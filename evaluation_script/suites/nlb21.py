"""The Neural Latents Benchmark '21, as data.

Sources: Pei, Ye et al. 2021, arXiv:2109.04463; the reference ``nlb_tools`` 0.0.4, whose ``PARAMS``
(``make_tensors.py``) give the windows, lags, kernels and conditions of the recordings.
"""

from __future__ import annotations

from dataclasses import replace

from ..metrics import (
    CoSmoothing,
    ForwardPrediction,
    PsthMatch,
    SpeedTpCorrelation,
    VelocityDecoding,
)
from .session import (
    START,
    Jitter,
    PsthRule,
    SeriesBehavior,
    SessionRules,
    TrialBehavior,
    Window,
)
from .suite import Dataset, Phase, Published, PublishedTruth, Simulation, Suite

#: Counts up whenever a published number could change; kept in every receipt.
RULES_VERSION = "1.2"

_PAPER = "Pei, Ye et al. 2021, arXiv:2109.04463"
_PREMOTOR = "Dorsal premotor and primary motor cortex"
_VELOCITY = (CoSmoothing, VelocityDecoding, PsthMatch, ForwardPrediction)
_SCALING = "mc_maze_scaling"


def _maze(kernel_sd_ms: int) -> SessionRules:
    reach = Window("move_onset_time", -250, 450)
    return SessionRules(
        train_window=reach,
        eval_window=reach,
        psth=PsthRule(("trial_type", "trial_version"), reach, kernel_sd_ms),
    )


_RTT_SEGMENT = Window(START, 0, 600, allow_overlap=True)
_BUMP = Window("move_onset_time", -100, 500)
_PRODUCTION = Window("go_time", start_field="set_time", end_field="go_time")

SUITE = Suite(
    name="nlb21",
    title="Neural Latents Benchmark '21",
    rules_version=RULES_VERSION,
    bin_widths_ms=(5, 20),
    ranked_bin_width_ms=5,
    ranked_by=CoSmoothing,
    links={
        "paper": "https://arxiv.org/abs/2109.04463",
        "code": "https://github.com/neurallatents/nlb_tools",
        "site": "https://neurallatents.github.io",
        "data": "https://neurallatents.github.io/datasets",
    },
    board_titles={_SCALING: "MC_Maze scaling"},
    published_truth=(
        PublishedTruth(
            name="eval_data_test.h5",
            phase="test",
            sha256="f2f434d30193251b58e6a693381fdd185c8fbc0e47d38f8810e65295bc42c865",
            n_bytes=105_927_616,
            since="2024",
            address="https://media.githubusercontent.com/media/neurallatents/nlb_tools/main/"
            "data/eval_data_test.h5",
        ),
    ),
    phases=(
        Phase(
            codename="val",
            title="Validation",
            train_splits=("train",),
            eval_split="val",
            truth_is_public=True,
            score_decimals=None,
            nan_where_unscored=True,
        ),
        Phase(
            codename="test",
            title="Test",
            train_splits=("train", "val"),
            eval_split="test",
            truth_is_public=False,
            score_decimals=4,
            error_decimals=3,
            score_floor=-1.0,
            smallest_rate=1e-9,
            nan_where_unscored=False,
            # as the reference does where the eval split is "test", and there only
            psth_beyond=True,
        ),
    ),
    datasets=(
        Dataset(
            name="mc_maze",
            title="MC_Maze",
            task="Delayed reaching in mazes, monkey",
            area=_PREMOTOR,
            board="mc_maze",
            metrics=_VELOCITY,
            window_ms=700,
            forward_ms=200,
            behavior=SeriesBehavior("hand_vel", lag_ms=100),
            dandiset="000128",
            published=Published(
                n_heldin=137,
                n_heldout=45,
                n_train={"val": 1721, "test": 2295},
                n_eval={"val": 574, "test": 574},
                source=_PAPER,
            ),
            session=_maze(kernel_sd_ms=70),
            simulation=Simulation({"train": 36, "val": 16, "test": 18}),
            kernel_sd_ms=50,
        ),
        Dataset(
            name="mc_rtt",
            title="MC_RTT",
            task="Reaching to random targets, monkey",
            area="Primary motor cortex",
            board="mc_rtt",
            metrics=(CoSmoothing, VelocityDecoding, ForwardPrediction),
            window_ms=600,
            forward_ms=200,
            behavior=SeriesBehavior("finger_vel", lag_ms=140),
            dandiset="000129",
            published=Published(
                n_heldin=98,
                n_heldout=32,
                n_train={"val": 810, "test": 1080},
                n_eval={"val": 270, "test": 272},
                source="DANDI 000129 (the paper's table says 271 test trials)",
            ),
            session=SessionRules(train_window=_RTT_SEGMENT, eval_window=_RTT_SEGMENT),
            simulation=Simulation(
                {"train": 36, "val": 17, "test": 19},
                conditions=(0, 0),
                variability=1.0,
                gaps_in_behavior=True,
            ),
            kernel_sd_ms=30,
            continuous=True,
        ),
        Dataset(
            name="area2_bump",
            title="Area2_Bump",
            task="Centre-out reaching with bumps, monkey",
            area="Brodmann area 2 of somatosensory cortex",
            board="area2_bump",
            metrics=_VELOCITY,
            window_ms=600,
            forward_ms=200,
            behavior=SeriesBehavior("hand_vel", lag_ms=-20),
            dandiset="000127",
            published=Published(
                n_heldin=49,
                n_heldout=16,
                n_train={"val": 272, "test": 364},
                n_eval={"val": 92, "test": 98},
                source=_PAPER,
            ),
            session=SessionRules(
                train_window=_BUMP,
                eval_window=replace(_BUMP, allow_overlap=True),
                decode_masks=("ctr_hold_bump", (0, 1)),
                psth=PsthRule(("cond_dir", "ctr_hold_bump"), _BUMP, kernel_sd_ms=40),
            ),
            simulation=Simulation(
                {"train": 36, "val": 18, "test": 20},
                conditions=(6, 16),
                decoders=2,
                psth_cut_ms=60,
            ),
            kernel_sd_ms=30,
        ),
        Dataset(
            name="dmfc_rsg",
            title="DMFC_RSG",
            task="Ready-set-go interval timing, monkey",
            area="Dorsomedial frontal cortex",
            board="dmfc_rsg",
            metrics=(CoSmoothing, SpeedTpCorrelation, PsthMatch, ForwardPrediction),
            window_ms=1500,
            forward_ms=200,
            behavior=TrialBehavior(("is_eye", "theta", "is_short", "ts", "tp"), "is_outlier"),
            dandiset="000130",
            published=Published(
                n_heldin=40,
                n_heldout=14,
                # how the 1006 trials are split into train and val stands in the recording alone
                n_train={"test": 1006},
                n_eval={"test": 283},
                source="DANDI 000130, sub-Haydn (version 0.220113 and later)",
            ),
            superseded=(
                Published(
                    n_heldin=45,
                    n_heldout=15,
                    n_train={"val": 741, "test": 989},
                    n_eval={"val": 248, "test": 252},
                    source=_PAPER,
                    why="of the recording that was withdrawn in November 2021: load the one of "
                    "DANDI 000130, version 0.220113 or later",
                ),
            ),
            session=SessionRules(
                train_window=Window("go_time", -1500, 0, allow_overlap=True),
                eval_window=_PRODUCTION,
                pad_front_ms=1500,
                jitter=Jitter("tp", limit_ms=1500.0, max_ms=300.0, exempt_split="test"),
                psth=PsthRule(
                    ("is_eye", "theta", "is_short", "ts"),
                    _PRODUCTION,
                    kernel_sd_ms=70,
                    pad_front=True,
                    length_ms=1500,
                    skip_column="is_outlier",
                ),
            ),
            simulation=Simulation(
                {"train": 48, "val": 58, "test": 60},
                conditions=(16, 40),
                variability=0.1,
                # simulated figures: the real split is not published
                full={"train": 754, "val": 252},
            ),
            kernel_sd_ms=60,
        ),
        Dataset(
            name="mc_maze_large",
            title="MC_Maze-Large",
            task="As MC_Maze, 500 training trials",
            area=_PREMOTOR,
            board=_SCALING,
            label_prefix="[500] ",
            metrics=_VELOCITY,
            window_ms=700,
            forward_ms=200,
            behavior=SeriesBehavior("hand_vel", lag_ms=120),
            dandiset="000138",
            published=Published(
                n_heldin=122,
                n_heldout=40,
                n_train={"val": 375, "test": 500},
                n_eval={"val": 125, "test": 100},
                source=_PAPER,
            ),
            session=_maze(kernel_sd_ms=50),
            simulation=Simulation({"train": 34, "val": 16, "test": 18}),
            kernel_sd_ms=40,
        ),
        Dataset(
            name="mc_maze_medium",
            title="MC_Maze-Medium",
            task="As MC_Maze, 250 training trials",
            area=_PREMOTOR,
            board=_SCALING,
            label_prefix="[250] ",
            metrics=_VELOCITY,
            window_ms=700,
            forward_ms=200,
            behavior=SeriesBehavior("hand_vel", lag_ms=120),
            dandiset="000139",
            published=Published(
                n_heldin=114,
                n_heldout=38,
                n_train={"val": 188, "test": 250},
                n_eval={"val": 62, "test": 100},
                source=_PAPER,
            ),
            session=_maze(kernel_sd_ms=50),
            simulation=Simulation({"train": 30, "val": 15, "test": 17}),
            kernel_sd_ms=60,
        ),
        Dataset(
            name="mc_maze_small",
            title="MC_Maze-Small",
            task="As MC_Maze, 100 training trials",
            area=_PREMOTOR,
            board=_SCALING,
            label_prefix="[100] ",
            metrics=_VELOCITY,
            window_ms=700,
            forward_ms=200,
            behavior=SeriesBehavior("hand_vel", lag_ms=120),
            dandiset="000140",
            published=Published(
                n_heldin=107,
                n_heldout=35,
                n_train={"val": 75, "test": 100},
                n_eval={"val": 25, "test": 100},
                source=_PAPER,
            ),
            session=_maze(kernel_sd_ms=50),
            simulation=Simulation({"train": 26, "val": 14, "test": 16}),
            kernel_sd_ms=60,
        ),
    ),
)
