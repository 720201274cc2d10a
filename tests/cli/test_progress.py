# SPDX-License-Identifier: Apache-2.0
"""Progress: on a terminal only."""

import io
import os
import pty
import re
import time

from spinalprep.cli import progress as module
from spinalprep.cli.progress import Progress
from spinalprep.selection import Target


def test_the_line_tells_subject_substep_and_time():
    progress = Progress(3, io.StringIO())
    one, other = Target('01', 'a', ()), Target('02', None, ())
    progress.started(one)
    progress.node(one, 'wf.anat_cordref_wf.segmentation_wf.spine', 'start')
    progress.node(one, 'wf.anat_cordref_wf.segmentation_wf.segment', 'start')
    assert progress.line() == '[1/3] sub-01_ses-a  0:00  S2.2 segmentation + labels: segment'
    progress.node(one, 'wf.anat_cordref_wf.segmentation_wf.segment', 'end')
    assert progress.line().endswith('labels: spine')
    progress.node(one, 'wf.anat_cordref_wf.segmentation_wf.spine', 'exception')
    assert progress.line() == '[1/3] sub-01_ses-a  0:00  '
    progress.started(other)
    progress.node(other, 'wf.anat_cordref_wf.discovery_wf.discover', 'start')
    assert progress.line() == (
        '[2/3] sub-01_ses-a  0:00   | sub-02  0:00  S2.1 discovery + crop: discover'
    )


def test_nothing_where_there_is_no_terminal():
    stream = io.StringIO()
    with Progress(1, stream) as progress:
        progress.started(Target('01', None, ()))
    assert stream.getvalue() == ''


def test_a_terminal_gets_the_line_and_is_left_clean(monkeypatch):
    monkeypatch.setattr(module, 'PERIOD_S', 0.01)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, 'w') as stream, Progress(1, stream) as progress:
        progress.started(Target('01', None, ()))
        deadline = time.monotonic() + 5
        seen = b''
        while b'sub-01' not in seen and time.monotonic() < deadline:
            seen += os.read(ours, 4096)
        progress.__exit__()
        seen += os.read(ours, 65536)
    os.close(ours)
    assert b'[1/1] sub-01' in seen
    assert re.search(rb'\r\x1b\[K$', seen)
