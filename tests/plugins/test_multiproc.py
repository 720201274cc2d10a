# SPDX-License-Identifier: Apache-2.0
"""MultiProc, guarded: what is killed fails by name, all else goes on, nothing hangs."""

import os
import shutil
import signal
from pathlib import Path

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
import pytest
from nipype.utils.filemanip import loadpkl

from spinalprep.crashes import read_crashes
from spinalprep.plugins import GuardedMultiProc
from spinalprep.processes import process_context


def double(x, kill=False, sleep=0.0):
    import os
    import signal
    import time

    time.sleep(sleep)
    if kill:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * x


def within(x, timeout):
    return x


def knows(x, module):
    import sys

    return module in sys.modules


def orphaning(x, note):
    import os
    import signal
    import time

    child = os.fork()
    if child == 0:
        time.sleep(120)
        os._exit(0)
    with open(note, 'w') as stream:
        stream.write(str(child))
    os.kill(os.getpid(), signal.SIGKILL)


def unpicklable(x):
    return lambda: x


def lost(x, folder):
    import shutil

    shutil.rmtree(folder)
    return x


def node(name, function=double, inputs=('x', 'kill', 'sleep'), **values):
    made = pe.Node(niu.Function(list(inputs), ['out'], function=function), name=name)
    for key, value in values.items():
        setattr(made.inputs, key, value)
    return made


@pytest.fixture
def graph(tmp_path):
    """Two chains of two nodes, side by side."""
    workflow = pe.Workflow('two', base_dir=str(tmp_path / 'work'))
    workflow.config['execution'] = {
        'crashdump_dir': str(tmp_path / 'crashes'),
        'crashfile_format': 'txt',
        'poll_sleep_duration': '0.05',
        'stop_on_first_crash': 'false',
    }
    (tmp_path / 'crashes').mkdir()
    for chain in 'ab':
        first, second = node(f'{chain}1', x=1), node(f'{chain}2')
        workflow.connect(first, 'out', second, 'x')
    return workflow


def run(workflow, **arguments):
    return workflow.run(plugin=GuardedMultiProc({'n_procs': 2, **arguments}))


def results(workflow):
    """Names of the nodes that left a result."""
    return {
        path.stem.removeprefix('result_') for path in Path(workflow.base_dir).rglob('result_*')
    }


def test_all_is_well(graph):
    run(graph)
    assert results(graph) == {'a1', 'a2', 'b1', 'b2'}


def test_a_killed_worker_fails_its_node_and_no_other(graph, tmp_path):
    graph.get_node('a1').inputs.kill = True
    graph.get_node('b1').inputs.sleep = 0.5  # at work when the other is killed
    graph.get_node('a1')._mem_gb = 3
    with pytest.raises(RuntimeError, match='probably because memory ran out'):
        run(graph)
    assert results(graph) == {'b1', 'b2'}
    (crash,) = read_crashes(tmp_path / 'crashes')
    assert crash.node == 'two.a1'
    assert crash.error == 'spinalprep.errors.WorkerKilled'
    assert 'it asked for 3 GB. Raise --mem, or lower --nprocs' in crash.message


def test_what_a_killed_worker_leaves_behind_is_not_waited_for(graph, tmp_path):
    note = tmp_path / 'child'
    graph.add_nodes([node('c1', orphaning, ('x', 'note'), x=1, note=str(note))])
    with pytest.raises(RuntimeError, match='probably because memory ran out'):
        run(graph)
    os.kill(int(note.read_text()), signal.SIGKILL)  # it is there


def test_a_result_that_can_not_be_sent_fails_its_node(graph, tmp_path):
    graph.add_nodes([node('c1', unpicklable, ('x',), x=1)])
    with pytest.raises(RuntimeError):
        run(graph)
    assert results(graph) == {'a1', 'a2', 'b1', 'b2'}
    assert [crash.node for crash in read_crashes(tmp_path / 'crashes')] == ['two.c1']


@pytest.fixture
def polls(monkeypatch):
    """Grows by one each time when the plugin looks for news."""
    seen = []
    monkeypatch.setattr('nipype.pipeline.plugins.base.sleep', seen.append)
    return seen


def test_cached_nodes_pass_at_once(tmp_path, polls):
    workflow = pe.Workflow('many', base_dir=str(tmp_path))
    workflow.add_nodes([node(f'n{number}', x=number) for number in range(20)])
    run(workflow)
    polls.clear()
    run(workflow)
    assert len(polls) == 1  # one pair of them at each poll would be 10


def test_the_end_of_a_node_wakes_it_up_and_nothing_else(graph, polls):
    graph.get_node('a1').inputs.sleep = 1.0
    run(graph)
    assert len(polls) <= 5  # one for each node, and the last


def test_the_longest_way_to_the_end_comes_first(tmp_path):
    workflow = pe.Workflow('ways', base_dir=str(tmp_path))
    workflow.add_nodes([node(f'alone{number}', x=number) for number in range(3)])
    first, second = node('first', x=1), node('second')
    slow = node('slow', inputs=('x', 'timeout'), function=within, x=1, timeout=600.0)
    workflow.connect([(first, second, [('out', 'x')])])
    workflow.add_nodes([slow])
    started = []
    plugin = GuardedMultiProc(
        {
            'n_procs': 1,
            'status_callback': lambda item, what: (
                started.append(item.name) if what == 'start' else None
            ),
        }
    )
    workflow.run(plugin=plugin)
    assert started[:2] == ['slow', 'first']
    assert len(started) == 6


@pytest.mark.skipif(process_context().get_start_method() != 'fork', reason='nothing is forked')
def test_processes_share_what_was_imported_while_waiting(graph):
    graph.get_node('a1').inputs.sleep = 0.5
    last = node('last', function=knows, inputs=('x', 'module'), module='spinalprep.estimates')
    graph.connect(graph.get_node('a2'), 'out', last, 'x')
    run(graph, preload=['spinalprep.estimates'])
    result = Path(graph.base_dir, 'two', 'last', 'result_last.pklz')
    assert loadpkl(result).outputs.out is True


def test_a_folder_that_is_deleted_ends_the_run(graph, tmp_path):
    graph.add_nodes([node('c1', lost, ('x', 'folder'), x=1, folder=graph.base_dir)])
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, it ends
        run(graph)
    shutil.rmtree(graph.base_dir, ignore_errors=True)


def test_no_worker_is_left_when_it_is_interrupted(graph):
    import multiprocessing
    import threading

    graph.get_node('a1').inputs.sleep = 30.0
    timer = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run(graph)
    assert not multiprocessing.active_children()
