# SPDX-License-Identifier: Apache-2.0
"""A dataset with one subject of each fate, made by the stand-in graph."""

import dataclasses

import pytest

from spinalprep.driver import run_targets
from spinalprep.layout import Layout
from spinalprep.policy import Policy
from spinalprep.runs import Run
from spinalprep.selection import select
from spinalprep.toolbox import Toolbox
from spinalprep.verdict import judge_numbers
from tests.standins import dataset, standin_wf, write_template

HOSTILE = '<img src=x onerror="document.title=1"></script><script>document.title=2</script>'


def numbers(snr):
    return judge_numbers({'cord_snr': snr, 'cord_gap_slices': None}, Policy().verdict)


@pytest.fixture(scope='session')
def made(tmp_path_factory):
    """Layout of the finished run."""
    root = tmp_path_factory.mktemp('pages')
    orders = {f'sub_{n:02}_T2w': {'evidence': {'numbers': numbers(20 + n)}} for n in range(1, 9)}
    dataset(
        root / 'ds',
        **orders,
        sub_11_a_T2w={
            'verdict': 'WARN', 'reasons': [HOSTILE], 'evidence': {'numbers': numbers(4.0)},
        },
        sub_12_T2w={'verdict': 'FAIL', 'reasons': ['folded'], 'no_figure': True},
        sub_13_T2w={'reject': 'too little cord'},
        sub_14_T1w={'fail': 'the disk is full'},
    )  # fmt: skip
    run = Run(
        layout=Layout(root / 'out', 'ds', 'run', root / 'work'),
        bids_dir=root / 'ds',
        policy=Policy(),
        toolbox=dataclasses.replace(
            Toolbox.example('7.2'), template=write_template(root / 'template')
        ),
        factory=standin_wf,
    )
    run_targets(select(root / 'ds'), run)
    return run.layout
