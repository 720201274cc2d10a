# SPDX-License-Identifier: Apache-2.0
"""Crash files: the exception that the node raised, not Nipype's wrapping nor the tool's text."""

import doctest
import json
import textwrap
from datetime import UTC, datetime

import pytest

from spinalprep import crashes

HEAD = 'Node: wf.anat_cordref_wf.rootlets_wf.find\nWorking directory: /data/find\n\n'
WRAPPER = """\
Traceback (most recent call last):
  File "nodes.py", line 787, in _run_command
    raise NodeExecutionError(msg)
nipype.pipeline.engine.nodes.NodeExecutionError: Exception raised while executing Node find.

"""


def read(tmp_path, text):
    path = tmp_path / 'crash-1.txt'
    path.write_text(HEAD + text)
    return crashes.read_crash(path)


def test_examples():
    assert doctest.testmod(crashes).failed == 0


def wrapped(inner, before=''):
    return f'{WRAPPER}{before}Traceback:\n{textwrap.indent(inner, chr(9))}\n'


def test_a_wrapped_exception_with_what_the_command_printed(tmp_path):
    inner = """\
Traceback (most recent call last):
  File "x.py", line 1, in f
    raise SCTCommandError(...)
spinalprep.errors.SCTCommandError: exit code 1

Traceback (most recent call last):
  File "sct.py"
ValueError: in the tool
"""
    printed = 'Stdout:\n\tTraceback:\n\tTraceback (most recent call last):\n\tKeyError: no\n'
    crash = read(tmp_path, wrapped(inner, printed))
    assert crash.error == 'spinalprep.errors.SCTCommandError'
    assert crash.message.splitlines()[0] == 'exit code 1'
    assert crash.message.splitlines()[-1] == 'ValueError: in the tool'
    assert crash.node.endswith('find')
    assert str(crash.folder) == '/data/find'
    assert crash.substep == 'S2.3 rootlets'


@pytest.mark.parametrize(
    'joint',
    [
        'The above exception was the direct cause of the following exception:',
        'During handling of the above exception, another exception occurred:',
    ],
)
def test_a_chain_ends_with_the_exception_that_counts(tmp_path, joint):
    inner = f"""\
Traceback (most recent call last):
  File "x.py", line 1, in f
OSError: [Errno 5] below

{joint}

Traceback (most recent call last):
  File "x.py", line 2, in f
spinalprep.errors.CordReferenceRejected: only 19 slices
"""
    crash = read(tmp_path, wrapped(inner))
    assert crash.rejects
    assert crash.message == 'only 19 slices'


def test_our_exception_counts_though_a_tool_printed_a_chain(tmp_path):
    inner = f"""\
Traceback (most recent call last):
  File "x.py", line 2, in f
spinalprep.errors.SCTCommandError: exit code 1
Traceback (most recent call last):
  File "sct.py"
KeyError: 'a'

{crashes._CHAINED[1]}

Traceback (most recent call last):
  File "sct.py"
ValueError: b
"""
    assert read(tmp_path, wrapped(inner)).error == 'spinalprep.errors.SCTCommandError'


def test_an_exception_of_nipype_itself_and_its_remarks(tmp_path):
    text = """\
Traceback (most recent call last):
  File "nodes.py", line 1, in _get_inputs
traits.trait_errors.TraitError: no such file


When creating this crashfile, the results file corresponding
to the node could not be found."""
    crash = read(tmp_path, text)
    assert (crash.error, crash.message) == ('traits.trait_errors.TraitError', 'no such file')
    assert not crash.rejects


def test_an_interruption_is_known(tmp_path):
    inner = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\nKeyboardInterrupt\n'
    assert read(tmp_path, wrapped(inner)).interrupts


def test_a_file_without_traceback_says_what_it_has(tmp_path):
    crash = read(tmp_path, 'nothing known')
    assert crash.error == 'unknown'
    assert 'nothing known' in crash.message


def node_with(tmp_path, log=None, **record):
    """A crash of a node, and what its command has left."""
    if log is not None:
        (tmp_path / 'command.log').write_bytes(log)
    if record:
        (tmp_path / 'command.json').write_text(json.dumps(record))
    return crashes.Crash('wf.find', tmp_path, 'WorkerKilled', 'it was killed', None)


def test_a_command_that_was_cut_off_is_told(tmp_path):
    crash = node_with(tmp_path, b'step 1\n', argv=['sct_image', '-i', 'a b'], exit_code=None)
    assert crash.command() == {
        'command': f"cd {tmp_path} && sct_image -i 'a b'",
        'tail': ['step 1'],
        'log': str(tmp_path / 'command.log'),
    }


def test_its_temporary_folder_is_made_again(tmp_path):
    crash = node_with(tmp_path, argv=['apptainer', 'exec'], temp='/tmp/x y')
    assert crash.command()['command'] == f"mkdir -p '/tmp/x y' && cd {tmp_path} && apptainer exec"


@pytest.mark.parametrize('record', ['', '{"argv": ["sct_', '[]'])
def test_a_record_that_can_not_be_read_hides_no_log(tmp_path, record):
    crash = node_with(tmp_path, b'step 1\n')
    (tmp_path / 'command.json').write_text(record)
    assert set(crash.command()) == {'tail', 'log'}
    assert crash.command()['tail'] == ['step 1']


def test_without_a_log_the_command_is_told(tmp_path):
    assert set(node_with(tmp_path, argv=['sct_version']).command()) == {'command'}
    assert crashes.Crash('wf.find', None, 'JobLost', 'lost', None).command() == {}


def test_what_it_printed_is_as_a_terminal_showed_it(tmp_path):
    log = b'\x1b[31mred\x1b[0m\n 1%|  |\r50%|= |\r99%|==|\ndone\r\n\n 5%|  |\r10%|  |\r'
    assert node_with(tmp_path, log).command()['tail'] == ['red', '99%|==|', 'done', '10%|  |']


def test_the_command_of_a_killed_process_is_the_only_one_that_was_cut_off_now(tmp_path):
    began = datetime(2026, 1, 1, 12, tzinfo=UTC)
    left = {
        'good': {'start': '2026-01-01T13:00:01+01:00', 'exit_code': 0},
        'earlier': {'start': '2026-01-01T12:59:59+01:00', 'exit_code': None},
        'now': {'start': '2026-01-01T13:00:02+01:00', 'exit_code': None},
        'too': {'start': '2026-01-01T12:00:03+00:00', 'exit_code': None},
    }
    said = []
    for name, record in left.items():
        (tmp_path / 'T2w' / name).mkdir(parents=True)
        node_with(tmp_path / 'T2w' / name, argv=['sct_version'], **record)
        said.append(crashes.command_cut_off(tmp_path, began).get('command'))
    assert said == [None, None, f'cd {tmp_path}/T2w/now && sct_version', None]
    assert crashes.command_cut_off(tmp_path / 'none', began) == {}


NOT_OURS = (
    'sct_deepseg ended with exit code 1: requests.exceptions.ConnectTimeout: no answer\n'
    'Command: sct_deepseg -i /data/CANCELLED/TIMEOUT/a.nii.gz\n'
    'MemoryError\nNo space left on device\nsolver: time limit'
)
PATH = 'sct_image ended with exit code 1: OSError: /data/cancelled/revoked/not there: bad header'


@pytest.mark.parametrize(
    ('error', 'message', 'words'),
    [
        ('SCTCommandError', NOT_OURS, 'Try the command by hand'),
        ('SCTCommandError', PATH, 'Try the command by hand'),
        ('SCTCommandError', 'x failed: ValueError: a policy of CANCELLED', 'Try the command'),
        ('SCTCommandError', 'x ended with exit code 1: numpy.MemoryError: 9 GB', 'more memory'),
        ('SCTCommandError', 'x was killed by signal 9, probably because', 'more memory'),
        ('SCTCommandError', 'x ended: OSError: [Errno 28] No space left on device', 'Make room'),
        ('SCTCommandError', 'x was stopped: it took longer than its time limit', 'in the policy'),
        ('OSError', 'OSError: [Errno 122] Disk quota exceeded\ntrace', 'Make room'),
        ('WorkerKilled', 'the process of this node was ended by SIGTERM', 'more memory'),
        ('JobLost', 'job 5 of this node ended as TIMEOUT on c1: it ran', '--time in --slurm-args'),
        ('JobLost', 'job 5 of this node ended as CANCELLED: somebody', 'The cluster took the job'),
        ('JobLost', 'job 5 of this node ended as NODE_FAIL on c1: x', 'The cluster took the job'),
        ('JobLost', 'job 5 of this node ended as BOOT_FAIL on c1: x', 'The cluster took the job'),
        ('JobLost', 'job 5 of this node ended as OUT_OF_MEMORY: its', '--mem=16G'),
        ('JobLost', 'job 5 of this node can not start: it waits with x', 'what the cluster has'),
        ('JobLost', 'sbatch did not take the job of this node: x', 'what the cluster has'),
        ('NoResult', "ClusterError: Slurm's controller has not answered for 9 s", 'when squeue'),
        ('KeyboardInterrupt', 'interrupted', 'it goes on where it stopped'),
        ('KeyboardInterrupt', 'interrupted: the time of its job is nearly over', 'more time'),
        ('ToolboxError', 'sct_image can not be started: it is gone', 'spinalprep doctor'),
        ('InputImageError', 'a.nii.gz: given as x of sub-01, but not there', 'Look at the file'),
        ('SCTOutputError', 'no registration. Discs: none', '--manual-dir'),
    ],
)
def test_what_to_do_follows_from_the_error_itself(error, message, words):
    assert words in crashes.advice(error, message)
