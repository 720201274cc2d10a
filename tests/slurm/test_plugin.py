# SPDX-License-Identifier: Apache-2.0
"""Small graphs on a real Slurm: each end of a job has its name, and nothing else is lost."""

import os
import time
from pathlib import Path

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
import pytest
from nipype.utils.filemanip import loadpkl

from spinalprep.crashes import read_crashes
from spinalprep.plugins import GuardedSLURM
from tests.slurm.conftest import OUT_OF_MEMORY, WAITS, meanwhile

pytestmark = pytest.mark.slurm


def double(x, gate=''):
    """Twice the number, as soon as the gate is open."""
    import os
    import time

    end = time.monotonic() + 300
    while gate and not os.path.exists(gate):
        if time.monotonic() > end:
            raise TimeoutError(gate)
        time.sleep(0.1)
    return 2 * x


@pytest.fixture
def graph(tmp_path):
    """Two chains of two nodes, side by side; the second one begins at a gate."""
    workflow = pe.Workflow('two', base_dir=str(tmp_path / 'work'))
    workflow.config['execution'] = {
        'crashdump_dir': str(tmp_path / 'crashes'),
        'crashfile_format': 'txt',
        'stop_on_first_crash': 'false',
    }
    (tmp_path / 'crashes').mkdir()
    for chain in 'ab':
        first, second = (
            pe.Node(niu.Function(['x', 'gate'], ['out'], double), name=f'{chain}{number}')
            for number in (1, 2)
        )
        first.inputs.x = 1
        workflow.connect(first, 'out', second, 'x')
    workflow.get_node('b1').inputs.gate = str(tmp_path / 'gate')
    return workflow


def run(workflow, **arguments):
    arguments = {'poll_s': 1, 'result_timeout_s': 10, **arguments}
    return workflow.run(plugin=GuardedSLURM(arguments))


def results(workflow):
    """Names of the nodes with a result, and what it is."""
    return {
        path.stem.removeprefix('result_'): loadpkl(path).outputs.out
        for path in Path(workflow.base_dir).rglob('result_*.pklz')
    }


WHOLE = {'a1': 2, 'a2': 4, 'b1': 2, 'b2': 4}


def lose_b(workflow, tmp_path, happens, **arguments):
    """Run while something happens to b1; what its crash file says of it."""
    with meanwhile(happens), pytest.raises(RuntimeError):
        run(workflow, **arguments)
    assert {'a1', 'a2'} <= set(results(workflow)), 'nothing else is lost'
    (crash,) = read_crashes(tmp_path / 'crashes')
    assert (crash.node, crash.error) == ('two.b1', 'spinalprep.errors.JobLost')
    assert 'it asked for 0.7 GB, 1 processors and ' in crash.message
    return crash.message


def mend(workflow, tmp_path):
    """Run again, undisturbed: what was lost is done, and nothing else."""
    (tmp_path / 'gate').touch()
    stamps = {path: path.stat().st_mtime_ns for path in Path(workflow.base_dir).rglob('result_a*')}
    run(workflow)
    assert results(workflow) == WHOLE
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_cancelled_while_it_ran(cluster, graph, tmp_path):
    def happens():
        cluster.answer('scancel', cluster.wait_for('b1').number)

    told = lose_b(graph, tmp_path, happens)
    assert 'ended as CANCELLED on node' in told
    assert 'somebody, or the cluster, cancelled it' in told
    mend(graph, tmp_path)


def test_cancelled_while_it_waited_it_does_not_pass_for_its_older_result(cluster, graph, tmp_path):
    (tmp_path / 'gate').touch()
    run(graph)
    assert results(graph) == WHOLE
    first = graph.get_node('b1')
    first.inputs.x = 5
    first.plugin_args = {'sbatch_args': '--hold'}

    def happens():
        cluster.answer('scancel', cluster.wait_for('b1', state=WAITS).number)

    assert 'ended as CANCELLED: somebody' in lose_b(graph, tmp_path, happens)
    first.plugin_args = {}
    run(graph)
    assert results(graph) == {**WHOLE, 'b1': 10, 'b2': 20}


def test_over_its_time(cluster, graph, tmp_path):
    graph.get_node('b1').plugin_args = {'sbatch_args': '--time=1'}
    told = lose_b(graph, tmp_path, lambda: None)
    assert 'ended as TIMEOUT on node' in told
    assert 'it ran into its time limit' in told
    assert told.splitlines()[0].endswith('and for --time=1')
    mend(graph, tmp_path)


def test_out_of_memory(cluster, graph, tmp_path, wrap):
    notes = wrap('scontrol', OUT_OF_MEMORY)

    def happens():
        number = cluster.wait_for('b1').number
        (notes / 'out-of-memory').write_text(f'{number}\n')
        cluster.kill(number)

    told = lose_b(graph, tmp_path, happens)
    assert 'ended as OUT_OF_MEMORY on node' in told
    assert 'its memory ran out; it asked for 0.7 GB' in told
    mend(graph, tmp_path)


def test_killed_without_a_name(cluster, graph, tmp_path):
    told = lose_b(graph, tmp_path, lambda: cluster.kill(cluster.wait_for('b1').number))
    assert 'it was killed by signal 9, probably because memory ran out' in told
    mend(graph, tmp_path)


def test_its_node_goes_down(cluster, graph, tmp_path):
    graph.get_node('b1').plugin_args = {'sbatch_args': '--nodelist=node4'}

    def happens():
        cluster.wait_for('b1')
        cluster.cut_power('node4')

    try:
        told = lose_b(graph, tmp_path, happens)
    finally:
        cluster.control('node-start', 'node4')
    assert 'ended as NODE_FAIL on node4: the computer that it ran on failed' in told
    graph.get_node('b1').plugin_args = {}
    mend(graph, tmp_path)


def test_refused_by_sbatch(cluster, graph, tmp_path):
    graph.get_node('b1').plugin_args = {'sbatch_args': '--mem=900G'}
    told = lose_b(graph, tmp_path, lambda: None)
    assert told.startswith('sbatch did not take the job of this node: sbatch: error: ')
    assert 'Memory specification can not be satisfied' in told
    graph.get_node('b1').plugin_args = {}
    mend(graph, tmp_path)


def test_it_waits_for_what_will_not_come(cluster, graph, tmp_path):
    graph.get_node('b1').plugin_args = {'sbatch_args': '--time=9-0'}  # the partition gives 4 h
    told = lose_b(graph, tmp_path, lambda: None, stuck_s=3)
    assert 'can not start: it waits with the reason PartitionTimeLimit' in told
    assert not cluster.jobs('b1')
    graph.get_node('b1').plugin_args = {}
    mend(graph, tmp_path)


def test_the_controller_is_away_for_a_minute(cluster, graph, tmp_path):
    def happens():
        cluster.wait_for('b1')
        cluster.control('controller-stop')
        (tmp_path / 'gate').touch()  # b1 ends, and b2 is to be submitted, while nobody listens
        time.sleep(60)
        cluster.control('controller-start')

    with meanwhile(happens), pytest.warns(UserWarning, match='Slurm does not answer'):
        run(graph)
    assert results(graph) == WHOLE
    assert not read_crashes(tmp_path / 'crashes')


def test_a_result_that_comes_late_is_waited_for(cluster, graph, tmp_path, monkeypatch):
    """As on network file systems, where others see a file only seconds later."""
    from spinalprep.plugins.slurm_task import Task

    first_look = {}
    outcome, listed = Task.outcome, Task.outcome_listed

    def late(task):
        begin = first_look.setdefault(task.folder, time.monotonic())
        return time.monotonic() - begin > 6

    monkeypatch.setattr(Task, 'outcome', lambda task: outcome(task) if late(task) else None)
    monkeypatch.setattr(Task, 'outcome_listed', lambda task: late(task) and listed(task))
    (tmp_path / 'gate').touch()
    run(graph, result_timeout_s=60)
    assert results(graph) == WHOLE


def test_no_more_jobs_than_asked_for(cluster, graph, tmp_path):
    (tmp_path / 'gate').touch()
    graph.add_nodes([
        node
        for number in range(4)
        for node in [pe.Node(niu.Function(['x'], ['out'], double), name=f'c{number}')]
        if setattr(node.inputs, 'x', number) is None
    ])  # fmt: skip
    most = []
    end = []

    def happens():
        while not end:
            most.append(len(cluster.jobs()))
            time.sleep(0.1)

    with meanwhile(happens):
        try:
            run(graph, max_jobs=2)
        finally:
            end.append(True)
    assert max(most) == 2
    assert len(results(graph)) == 8


def test_jobs_find_what_the_submitter_finds(cluster, graph, tmp_path, monkeypatch):
    """Modules by a relative path, in jobs that start elsewhere and without its environment."""
    (tmp_path / 'only_here.py').write_text('def triple(x):\n    return 3 * x\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend('.')

    def triple(x):
        from only_here import triple

        return triple(x)

    graph.get_node('b1').inputs.gate = ''
    node = pe.Node(niu.Function(['x'], ['out'], triple), name='c1')
    node.inputs.x = 2
    graph.add_nodes([node])
    run(graph, sbatch_args='--export=NONE')
    assert results(graph) == {**WHOLE, 'c1': 6}


def test_what_it_leaves_in_the_working_folder(cluster, graph, tmp_path):
    (tmp_path / 'gate').touch()
    run(graph)
    left = list((tmp_path / 'work/two/_slurm').rglob('*'))
    assert not [path for path in left if path.is_file() and path.name != 'lock']
    assert not os.environ.get('LOGNAME')
    cluster.wait_for_the_end()
