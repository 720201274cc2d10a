# SPDX-License-Identifier: Apache-2.0
"""Which commands a graph is said to have run, read from the folders of its nodes."""

import json
import os
from types import SimpleNamespace

import pytest

from spinalprep.execution import Watcher


@pytest.fixture
def watcher(tmp_path):
    return Watcher('multiproc', tmp_path / 'crashes')


def node_in(folder):
    folder.mkdir()
    return SimpleNamespace(fullname=f'wf.{folder.name}', output_dir=lambda: folder, interface=None)


def leave(folder, text, time_ns):
    (folder / 'command.json').write_text(text)
    os.utime(folder / 'command.json', ns=(time_ns, time_ns))


def record(exit_code, start='2026-01-01T12:00:00'):
    return json.dumps({'argv': ['sct_image'], 'start': start, 'exit_code': exit_code})


def test_commands_are_those_that_ended(tmp_path, watcher):
    left = {
        'failed': record(1, '2026-01-01T12:00:01'),
        'good': record(0),
        'cut_off': record(None),
        'empty': '',
        'half': record(0)[:20],
    }
    for name, text in left.items():
        node = node_in(tmp_path / name)
        watcher(node, 'start')
        leave(tmp_path / name, text, 1)
        watcher(node, 'end')
    watcher(node_in(tmp_path / 'no_command'), 'end')
    found = [(command['node'], command['exit_code']) for command in watcher.commands()]
    assert found == [('wf.good', 0), ('wf.failed', 1)]


def test_a_command_is_cached_where_it_has_not_run_now(tmp_path, watcher):
    expected = {'cached': True, 'asked': True, 'again': False, 'after_a_cut': False}
    for name, cached in expected.items():
        node = node_in(tmp_path / name)
        leave(tmp_path / name, record(None if name == 'after_a_cut' else 0), 1)
        if name != 'cached':  # MultiProc never starts those
            watcher(node, 'start')
        if not cached:
            leave(tmp_path / name, record(None), 2)
            leave(tmp_path / name, record(0), 3)
        watcher(node, 'end')
    assert expected == {
        command['node'].removeprefix('wf.'): command['cached'] for command in watcher.commands()
    }
