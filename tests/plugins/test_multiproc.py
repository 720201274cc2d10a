# SPDX-License-Identifier: Apache-2.0
"""MultiProc, guarded: what is killed fails by name, all else goes on, nothing hangs."""

import os
import shutil
import signal
import time
from pathlib import Path

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
import pytest

from spinalprep.crashes import read_crashes
from spinalprep.plugins import GuardedMultiProc


def double(x, kill=False, sleep=0.0):
    import os
    import signal
    import time

    time.sleep(sleep)
    if kill:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * x


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


def test_a_result_that_can_not_be_sent_fails_its_node(graph, tmp_path):
    graph.add_nodes([node('c1', unpicklable, ('x',), x=1)])
    with pytest.raises(RuntimeError):
        run(graph)
    assert results(graph) == {'a1', 'a2', 'b1', 'b2'}
    assert [crash.node for crash in read_crashes(tmp_path / 'crashes')] == ['two.c1']


def test_cached_nodes_pass_at_once(tmp_path):
    workflow = pe.Workflow('many', base_dir=str(tmp_path))
    workflow.config['execution'] = {'poll_sleep_duration': '0.5'}
    workflow.add_nodes([node(f'n{number}', x=number) for number in range(20)])
    run(workflow)
    start = time.monotonic()
    run(workflow)
    assert time.monotonic() - start < 3  # one after the other in pairs: 10 polls of 0.5 s


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
