# SPDX-License-Identifier: Apache-2.0
"""Running commands: no shell, time limits, nothing left behind, what is recorded."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from spinalprep.errors import (
    CordReferenceRejected,
    SCTCommandError,
    SCTOutputError,
    ToolboxError,
)
from spinalprep.interfaces import sct
from spinalprep.interfaces.sct import process
from tests.interfaces.standin import fake_sct

# A launcher like SCT's: it starts a second process, which would do the work, and waits for it.
SLEEPER = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-IS', '-c', 'import time; time.sleep(120)'])
open(os.environ['PIDS'], 'w').write(f'{os.getpid()} {child.pid}')
os.rename(os.environ['PIDS'], os.environ['PIDS'] + '.done')
child.wait()
"""


def alive(pid: int) -> bool:
    try:
        with open(f'/proc/{pid}/stat') as stream:
            return stream.read().rpartition(')')[2].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_for(condition, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def pids(folder: Path) -> list[int]:
    file = folder / 'pids.done'
    assert wait_for(file.exists)
    return [int(pid) for pid in file.read_text().split()]


@pytest.fixture
def image(tmp_path) -> Path:
    path = tmp_path / 'it is $HOME; an image.nii.gz'
    nib.save(nib.Nifti1Image(np.ones((4, 5, 6), np.uint8), np.diag([-1, 1, 1, 1])), path)
    return path


@pytest.fixture
def node(tmp_path) -> Path:
    folder = tmp_path / 'node'
    folder.mkdir()
    return folder


needs_proc = pytest.mark.skipif(not Path('/proc/self/stat').exists(), reason='needs /proc')


@needs_proc
def test_time_limit_ends_the_whole_group(tmp_path, node, image, monkeypatch):
    monkeypatch.setenv('PIDS', str(tmp_path / 'pids'))
    toolbox = fake_sct(tmp_path / 'sct', {'sct_image': SLEEPER})
    interface = sct.Image(toolbox=toolbox, in_file=image, set_orientation='RPI', timeout=1.0)
    start = time.monotonic()
    with pytest.raises(SCTCommandError, match='longer than its time limit of 1 s'):
        interface.run(cwd=node)
    assert time.monotonic() - start < 10
    assert not any(alive(pid) for pid in pids(tmp_path))
    record = json.loads((node / 'command.json').read_text())
    assert record['timed_out'] is True
    assert record['exit_code'] != 0


@needs_proc
def test_one_that_ignores_the_request_is_ended_all_the_same(tmp_path, node, image, monkeypatch):
    monkeypatch.setenv('PIDS', str(tmp_path / 'pids'))
    monkeypatch.setattr(process, 'GRACE_S', 0.3)
    stubborn = 'import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n' + SLEEPER
    toolbox = fake_sct(tmp_path / 'sct', {'sct_image': stubborn})
    with pytest.raises(SCTCommandError, match='time limit'):
        sct.Image(toolbox=toolbox, in_file=image, set_orientation='RPI', timeout=1.0).run(cwd=node)
    assert not any(alive(pid) for pid in pids(tmp_path))


RUNNER = """
import sys
from pathlib import Path
from spinalprep.interfaces.sct import process
from spinalprep.toolbox import Toolbox
toolbox = Toolbox('installed', '7.3', root=Path(sys.argv[1]))
folder = Path(sys.argv[2])
process.run_command(toolbox.argv('sct_image'), toolbox=toolbox, folder=folder, log=folder / 'log')
"""


@needs_proc
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_nothing_goes_on_when_we_are_killed(number, tmp_path, node):
    temp = tmp_path / 'temp'
    temp.mkdir()
    fake_sct(tmp_path / 'sct', {'sct_image': SLEEPER})
    here = Path(__file__).resolve().parents[2]
    us = subprocess.Popen(
        [sys.executable, '-c', RUNNER, str(tmp_path / 'sct'), str(node)],
        env={
            **os.environ,
            'PIDS': str(tmp_path / 'pids'),
            'TMPDIR': str(temp),
            'PYTHONPATH': str(here),
        },
        stderr=subprocess.DEVNULL,
    )
    workers = pids(tmp_path)
    assert all(alive(pid) for pid in workers)
    us.send_signal(number)
    us.wait(10)
    assert wait_for(lambda: not any(alive(pid) for pid in workers))
    assert wait_for(lambda: not list(temp.iterdir())), 'its temp folder is removed'


KILLED_AT_ONCE = """
import os, subprocess

class Popen(subprocess.Popen):
    def __init__(self, argv, *others, **more):
        super().__init__(argv, *others, **more)
        if any('sct_image' in str(word) for word in argv):
            os.kill(os.getpid(), int(sys.argv[3]))

subprocess.Popen = Popen
"""


@needs_proc
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_nothing_begins_when_we_are_killed_before_its_guard_knows_of_it(number, tmp_path, node):
    fake_sct(tmp_path / 'sct', {'sct_image': f"open(r'{tmp_path}/begun', 'w')"})
    script = RUNNER.replace('toolbox =', f'{KILLED_AT_ONCE}\ntoolbox =', 1)
    ended = subprocess.run(
        [sys.executable, '-c', script, str(tmp_path / 'sct'), str(node), str(int(number))],
        env={**os.environ, 'PYTHONPATH': str(Path(__file__).resolve().parents[2])},
        stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert ended.returncode == -number
    time.sleep(1)
    assert not (tmp_path / 'begun').exists()


@needs_proc
def test_what_it_leaves_running_is_ended(tmp_path, node, image, monkeypatch):
    monkeypatch.setenv('PIDS', str(tmp_path / 'pids'))
    toolbox = fake_sct(
        tmp_path / 'sct', {'sct_version': SLEEPER.replace('child.wait()', "print('7')")}
    )
    sct.Version(toolbox=toolbox).run(cwd=node)
    assert wait_for(lambda: not any(alive(pid) for pid in pids(tmp_path)))


ENVIRONMENT = """
import json, os, sys
json.dump(dict(os.environ), open('environment.json', 'w'))
open(os.path.join(os.environ['TMPDIR'], 'left'), 'w').write('x')
print('7.3')
"""


def test_environment(tmp_path, node, monkeypatch):
    monkeypatch.setenv('SCT_USE_GPU', '0')
    monkeypatch.setenv('PYTHONPATH', '/somewhere')
    monkeypatch.setenv('KEPT', 'yes')
    monkeypatch.setenv('MALLOC_TOP_PAD_', '1')
    toolbox = fake_sct(tmp_path / 'sct', {'sct_version': ENVIRONMENT})
    sct.Version(toolbox=toolbox, num_threads=3).run(cwd=node)
    seen = json.loads((node / 'environment.json').read_text())
    for name in (
        *('ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS'),
        'nnUNet_def_n_proc',
    ):
        assert seen[name] == '3'
    assert seen['SCT_PROGRESS_BAR'] == 'off'
    assert seen['MPLBACKEND'] == 'Agg'
    assert seen['KEPT'] == 'yes'
    assert int(seen['MALLOC_TRIM_THRESHOLD_']) > 2**27, 'memory that was freed is used again'
    assert seen['MALLOC_TOP_PAD_'] == '1', "the user's own word counts"
    # Its presence alone, with any value, switches the GPU on.
    assert 'SCT_USE_GPU' not in seen
    assert 'PYTHONPATH' not in seen
    assert seen['TMPDIR'] != os.environ.get('TMPDIR', '/tmp')
    assert not Path(seen['TMPDIR']).exists(), 'removed afterwards'


def test_gpu_on_request(tmp_path, node, monkeypatch):
    from dataclasses import replace

    monkeypatch.delenv('SCT_USE_GPU', raising=False)
    toolbox = replace(fake_sct(tmp_path / 'sct', {'sct_version': ENVIRONMENT}), gpu=True)
    sct.Version(toolbox=toolbox).run(cwd=node)
    assert 'SCT_USE_GPU' in json.loads((node / 'environment.json').read_text())


def test_no_shell_reads_the_arguments(tmp_path, node, image):
    echo = "import json, sys\njson.dump(sys.argv[1:], open('argv.json', 'w'))\nsys.exit(1)"
    toolbox = fake_sct(tmp_path / 'a folder', {'sct_image': echo})
    with pytest.raises(SCTCommandError):
        sct.Image(toolbox=toolbox, in_file=image, set_orientation='RPI').run(cwd=node)
    arguments = json.loads((node / 'argv.json').read_text())
    assert arguments[:2] == ['-i', str(image)]
    assert arguments[-1] == str(node.resolve() / 'image.nii.gz')


def test_record(tmp_path, node):
    toolbox = fake_sct(tmp_path / 'sct', version='7.3')
    outputs = sct.Version(toolbox=toolbox).run(cwd=node).outputs
    assert outputs.version == '7.3'
    record = json.loads((node / 'command.json').read_text())
    assert record['command'] == 'sct_version'
    assert record['argv'] == [str(tmp_path / 'sct' / 'bin' / 'sct_version')]
    assert record['version'] == '7.3'
    assert record['exit_code'] == 0
    assert record['timed_out'] is False
    assert datetime.fromisoformat(record['start']).tzinfo is not None
    assert 0 < record['duration_s'] < 30
    assert (node / 'command.log').read_text() == '7.3\n'


def test_the_record_is_there_before_it_starts(tmp_path, node):
    """Of a command that is killed together with its node nothing else tells."""
    toolbox = fake_sct(tmp_path / 'sct', {'sct_version': "print(open('command.json').read())"})
    sct.Version(toolbox=toolbox).run(cwd=node)
    begun = json.loads((node / 'command.log').read_text())
    ended = json.loads((node / 'command.json').read_text())
    assert begun['argv'] == [str(tmp_path / 'sct' / 'bin' / 'sct_version')]
    assert begun['exit_code'] is begun['duration_s'] is begun['killed_by'] is None
    assert ended['exit_code'] == 0
    known = {'command', 'argv', 'temp', 'toolbox', 'version', 'start', 'timed_out'}
    assert all(begun[name] == ended[name] for name in known)


def test_a_full_disk_leaves_a_whole_record(tmp_path, node, monkeypatch):
    replace, written = os.replace, []

    def full(source, target):
        written.append(target)
        if len(written) == 2:
            raise OSError(errno.ENOSPC, 'No space left on device')
        replace(source, target)

    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(OSError, match=r'No space left on device: .*command\.json'):
        sct.Version(toolbox=fake_sct(tmp_path / 'sct')).run(cwd=node)
    assert json.loads((node / 'command.json').read_text())['exit_code'] is None
    assert sct.forget_failed(tmp_path) == [node]


@pytest.mark.parametrize(
    ('ending', 'words'),
    [
        ('import os; os.kill(os.getpid(), 9)', r'killed by signal 9, probably because memory'),
        ('import sys; sys.exit(247)', r'killed by signal 9, probably .* \(exit code 247\)'),
        ('import sys; sys.exit(137)', r'killed by signal 9, probably .* \(exit code 137\)'),
        ('import os; os.kill(os.getpid(), 11)', r'killed by signal 11 \(exit code -11\)'),
        (
            "print('ERROR: no such thing'); raise SystemExit(1)",
            'exit code 1: ERROR: no such thing',
        ),
        ('raise SystemExit(3)', 'exit code 3: nothing was printed'),
    ],
)
def test_how_it_ended_is_told(ending, words, tmp_path, node):
    toolbox = fake_sct(tmp_path / 'sct', {'sct_version': ending})
    with pytest.raises(SCTCommandError, match=words) as caught:
        sct.Version(toolbox=toolbox).run(cwd=node)
    assert str(node / 'command.log') in str(caught.value)
    assert str(tmp_path / 'sct' / 'bin' / 'sct_version') in str(caught.value)


def test_message_has_the_end_of_the_output(tmp_path, node):
    talk = (
        'import sys\n'
        "for i in range(100): print(f'line {i}')\n"
        "sys.stderr.write('\\x1b[31mRuntimeError: red\\x1b[0m\\n')\n"
        'sys.exit(1)'
    )
    toolbox = fake_sct(tmp_path / 'sct', {'sct_version': talk})
    with pytest.raises(SCTCommandError) as caught:
        sct.Version(toolbox=toolbox).run(cwd=node)
    lines = str(caught.value).splitlines()
    assert lines[0] == 'sct_version ended with exit code 1: RuntimeError: red'
    assert lines[-1] == 'RuntimeError: red'
    assert lines[-2] == 'line 99'
    assert 'line 81' in lines
    assert 'line 10' not in lines


def test_what_a_carriage_return_hid_stays_hidden(tmp_path):
    log = tmp_path / 'log'
    log.write_bytes(b'10%\r50%\r100%\ndone\r\n\n')
    assert process.tail(log) == '100%\ndone'


def test_program_that_is_gone(tmp_path, node, image):
    toolbox = fake_sct(tmp_path / 'sct')
    with pytest.raises(ToolboxError, match='can not be started'):
        sct.Image(toolbox=toolbox, in_file=image, set_orientation='RPI').run(cwd=node)


def image_writer(expression: str, affine: str = 'source.affine') -> str:
    """A command that writes an image made by an expression of ``data`` to ``-o``."""
    return f"""#!{sys.executable}
import sys
import nibabel as nib, numpy as np
source = nib.load(sys.argv[sys.argv.index('-i') + 1])
data = np.asanyarray(source.dataobj)
nib.save(nib.Nifti1Image({expression}, {affine}), sys.argv[sys.argv.index('-o') + 1])
"""


@pytest.mark.parametrize(
    ('writer', 'words'),
    [
        ('pass', 'did not write'),
        (image_writer('data * 0'), 'is zero everywhere'),
        (image_writer('data * 7'), 'no labels there: 7'),
        (image_writer('data * np.float32(0.5)'), r'no labels there: 0\.5'),
        (image_writer('data[1:]'), 'has shape'),
        (image_writer('data', 'np.diag([-1, 1, 2, 1])'), 'lies elsewhere'),
        (image_writer('data * np.float32("nan")'), 'not a number'),
        (
            "import sys; open(sys.argv[sys.argv.index('-o') + 1], 'w').write('x')",
            'can not be read',
        ),
    ],
)
def test_exit_0_is_not_success(writer, words, tmp_path, node, image):
    toolbox = fake_sct(tmp_path / 'sct', {'sct_deepseg': writer})
    interface = sct.DeepSeg(toolbox=toolbox, task='spinalcord', in_file=image)
    with pytest.raises(SCTOutputError, match=words) as caught:
        interface.run(cwd=node)
    assert 'segmentation.nii.gz' in str(caught.value).splitlines()[0]


def test_an_image_cut_short_is_noticed(tmp_path, node, image):
    cut = image_writer('np.random.default_rng(0).integers(0, 2, data.shape, np.uint8)') + (
        "path = sys.argv[sys.argv.index('-o') + 1]\n"
        "raw = open(path, 'rb').read()\n"
        "open(path, 'wb').write(raw[: len(raw) - 12])\n"
    )
    toolbox = fake_sct(tmp_path / 'sct', {'sct_deepseg': cut})
    with pytest.raises(SCTOutputError, match='can not be read'):
        sct.DeepSeg(toolbox=toolbox, task='spinalcord', in_file=image).run(cwd=node)


def test_nothing_found_can_be_a_result(tmp_path, node, image):
    toolbox = fake_sct(tmp_path / 'sct', {'sct_deepseg': image_writer('data * 0')})
    interface = sct.DeepSeg(toolbox=toolbox, task='spinalcord', in_file=image, allow_empty=True)
    assert not nib.load(interface.run(cwd=node).outputs.out_file).get_fdata().any()


@pytest.mark.parametrize(
    ('words', 'error'),
    [
        ('CordNotFound: the best candidate is not a cord: too wide', CordReferenceRejected),
        ('ValueError: step 1 resulting in an empty prediction.', CordReferenceRejected),
        ('OSError: [Errno 28] No space left on device', SCTCommandError),
        ('RuntimeError: the record is broken', SCTCommandError),
    ],
)
def test_an_image_in_which_the_command_finds_nothing_is_rejected(
    tmp_path, node, image, words, error
):
    script = f'import sys\nprint({words!r}, file=sys.stderr)\nsys.exit(1)'
    toolbox = fake_sct(tmp_path / 'sct', {'sct_deepseg': script})
    settings = {'toolbox': toolbox, 'task': 'spinalcord', 'in_file': image}
    with pytest.raises(error, match=re.escape(words)):
        sct.DeepSeg(**settings, reject_without=True).run(cwd=node)
    with pytest.raises(SCTCommandError):
        sct.DeepSeg(**settings).run(cwd=node)


def test_wrong_orientation_is_noticed(tmp_path, node, image):
    toolbox = fake_sct(tmp_path / 'sct', {'sct_image': image_writer('data')})
    interface = sct.Image(toolbox=toolbox, in_file=image, set_orientation='LPI')
    with pytest.raises(SCTOutputError, match='has the orientation LAS instead of RAS'):
        interface.run(cwd=node)


def test_a_crop_must_be_a_part_of_the_image(tmp_path, node, image):
    shifted = image_writer('data[1:3]', 'source.affine + np.eye(4, k=3) * 0.5')
    toolbox = fake_sct(tmp_path / 'sct', {'sct_crop_image': shifted})
    with pytest.raises(SCTOutputError, match='not a box of voxels'):
        sct.CropImage(toolbox=toolbox, in_file=image, xmin=1, xmax=2).run(cwd=node)


@pytest.mark.parametrize(('task', 'name'), [('spine', 'largest'), ('rootlets', 'fill_holes')])
def test_flags_that_spoil_labels_are_refused(task, name, image):
    interface = sct.DeepSeg(task=task, in_file=image, **{name: True})
    interface.inputs.toolbox = fake_sct(image.parent / 'sct')
    with pytest.raises(ToolboxError, match=f'{name} can not be used with {task}'):
        _ = interface.argv


def test_one_thing_at_a_time(tmp_path, image):
    toolbox = fake_sct(tmp_path / 'sct')
    interface = sct.Image(toolbox=toolbox, in_file=image, set_orientation='RPI', flip='x')
    with pytest.raises(ValueError, match=r'exactly one of .* now set_orientation, flip'):
        _ = interface.argv
