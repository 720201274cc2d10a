# SPDX-License-Identifier: Apache-2.0
"""Crash files: the exception that the node raised, not Nipype's wrapping nor the tool's text."""

import doctest
import textwrap

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
