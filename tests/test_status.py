# SPDX-License-Identifier: Apache-2.0
"""Where a subject stands that has begun: running, killed, or who knows."""

import errno

import pytest

from spinalprep.atomic import write_json
from spinalprep.layout import Layout
from spinalprep.locks import held
from spinalprep.status import standings

DOING = {'substep': 'S2.3 rootlets', 'since': '2026-01-01T12:00:00+01:00'}
TOLD = 'S2.3 rootlets, since 2026-01-01T12:00:00+01:00'


@pytest.fixture
def layout(tmp_path):
    """Of a subject that is being run, or was."""
    layout = Layout(tmp_path, 'ds', 'run')
    write_json(layout.state('sub-01'), DOING)
    write_json(layout.runs / 'x.json', {'selected': ['sub-01']})
    return layout


def standing(layout):
    (found,) = standings(layout.out)
    return str(found)


def test_one_that_runs_is_told_from_one_that_was_killed(layout):
    with held(layout.lock('sub-01')):
        assert standing(layout).startswith(f'ds sub-01: running  {TOLD}; process ')
    assert standing(layout) == f'ds sub-01: failed  {TOLD}: its run was killed'


def test_one_that_begins_while_we_look_runs(layout, monkeypatch):
    answers = iter([False, True])
    monkeypatch.setattr('spinalprep.status.is_held', lambda path: next(answers))
    assert standing(layout).startswith(f'ds sub-01: running  {TOLD}; ')


def test_where_there_are_no_locks_it_is_not_said_to_be_killed(layout, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOSYS, 'Function not implemented')

    monkeypatch.setattr('spinalprep.locks.fcntl.flock', flock)
    layout.lock('sub-01').touch()
    assert standing(layout) == f'ds sub-01: running or killed  {TOLD}'
