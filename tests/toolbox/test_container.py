# SPDX-License-Identifier: Apache-2.0
"""SCT in a container: found, checked, and run with the right folders and nothing else."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nb
import numpy as np
import pytest

import spinalprep
from spinalprep.crashes import Crash
from spinalprep.errors import SCTCommandError, ToolboxError
from spinalprep.interfaces import sct
from spinalprep.toolbox import find_toolbox
from spinalprep.toolbox.container import Container
from spinalprep.toolbox.preflight import check_toolbox
from tests.toolbox.conftest import CORD_URL, Installation, make_template
from tests.toolbox.runtimes import write_runtime


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A machine with a runtime, an image, and what is in the image."""
    inside = Installation(tmp_path / 'inside' / 'sct_7.2', '7.2')
    inside.add_template()
    inside.add_model('model_seg_sc_contrast_agnostic_nnunet', CORD_URL)
    (tmp_path / 'sct 7.2.sif').write_bytes(b'image')
    write_runtime(tmp_path / 'bin', 'apptainer', inside.root, tmp_path / 'calls')
    monkeypatch.setenv('PATH', f'{tmp_path / "bin"}:/usr/bin:/bin')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setenv('APPTAINERENV_PYTHONPATH', '/somewhere')
    monkeypatch.setenv('SECRET', 'of the user')
    return tmp_path


def calls(place):
    return [json.loads(line) for line in (place / 'calls').read_text().splitlines()]


def save_image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    nb.save(nb.Nifti1Image(np.ones((4, 5, 6), np.uint8), np.eye(4)), path)
    return path


def test_an_image_is_found_by_its_path(place):
    toolbox = find_toolbox(place / 'sct 7.2.sif')
    assert (toolbox.kind, toolbox.version) == ('container', '7.2')
    assert toolbox.container.root == str(place / 'inside' / 'sct_7.2')
    assert toolbox.template.is_relative_to(place / 'cache')
    installed = find_toolbox(place / 'inside' / 'sct_7.2')
    assert toolbox.template_identity == installed.template_identity
    assert toolbox.models == installed.models


def test_it_is_opened_once_until_it_changes(place):
    image = place / 'sct 7.2.sif'
    find_toolbox(image)
    find_toolbox(image)
    assert len(calls(place)) == 1
    image.write_bytes(b'a newer image')
    find_toolbox(image)
    assert len(calls(place)) == 2


def test_the_preflight_looks_into_it(place):
    toolbox = find_toolbox(place / 'sct 7.2.sif')
    checks = {
        check.name: check
        for check in check_toolbox(toolbox, ['spinalcord', 'spine', 'registration'])
    }
    assert str(place / 'sct 7.2.sif') in checks['SCT'].detail
    assert checks['network for spinalcord'].ok
    assert not checks['network for spine'].ok
    assert 'use an image in which' in checks['network for spine'].remedy
    assert checks['template'].ok


@pytest.mark.parametrize('runtime', ['apptainer', 'singularity', 'docker'])
def test_a_command_sees_its_files_and_nothing_else(place, runtime, monkeypatch):
    (place / 'bin' / 'apptainer').unlink()
    write_runtime(place / 'bin', runtime, place / 'inside' / 'sct_7.2', place / 'calls')
    toolbox = find_toolbox('lab/sct:7.2' if runtime == 'docker' else place / 'sct 7.2.sif')
    # a link, as in a dataset under DataLad: what it leads to must be there
    real = save_image(place / 'data annex' / 'key.nii.gz')
    linked = place / 'dataset' / 'sub-01_T2w.nii.gz'
    linked.parent.mkdir()
    linked.symlink_to(real)
    folder = place / 'node'
    folder.mkdir()
    monkeypatch.chdir(folder)
    reorient = sct.Image(
        toolbox=toolbox, in_file=str(linked), set_orientation='LPI', num_threads=3
    )
    outputs = reorient.run(cwd=str(folder)).outputs
    assert nb.aff2axcodes(nb.load(outputs.out_file).affine) == ('R', 'A', 'S')
    call = calls(place)[-1]
    assert call['command'][0] == f'{place}/inside/sct_7.2/bin/sct_image'
    assert call['env']['OMP_NUM_THREADS'] == '3'
    assert not {'SECRET', 'PYTHONPATH', 'SCT_USE_GPU'} & set(call['env'])
    assert 'APPTAINERENV_PYTHONPATH' not in call['outer']
    writable = {path for path, mode in call['binds'].items() if mode == 'rw'}
    assert str(folder) in writable
    assert call['binds'][str(real.parent)] == 'ro'
    assert all(path == str(folder) or 'spinalprep_' in path for path in writable)
    record = json.loads((folder / 'command.json').read_text())
    assert Path(record['argv'][0]).name == runtime


@pytest.mark.parametrize(
    ('name', 'flag'), [('sct 7.2.sif', '--nv'), ('docker://lab/sct:7.2', '--gpus=all')]
)
def test_a_gpu_is_seen_where_it_is_asked_for(place, name, flag):
    write_runtime(place / 'bin', 'docker', place / 'inside' / 'sct_7.2', place / 'calls')
    image = save_image(place / 'a.nii.gz')
    for gpu in (True, False):
        given = place / name if name.endswith('.sif') else name
        toolbox = find_toolbox(given, gpu=gpu)
        folder = place / f'node-{gpu}'
        folder.mkdir()
        reorient = sct.Image(toolbox=toolbox, in_file=str(image), set_orientation='LPI')
        reorient.run(cwd=str(folder))
        call = calls(place)[-1]
        assert (flag in call['options']) is gpu
        assert ('SCT_USE_GPU' in call['env']) is gpu


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('no.sif', 'there is no such image'),
        ('lab/other:1.0', 'docker pull lab/other:1.0'),
        ('docker://lab/other', 'docker pull lab/other'),
    ],
)
def test_an_image_that_is_not_there_is_told(place, given, message):
    write_runtime(place / 'bin', 'docker', place, place / 'calls')
    with pytest.raises(ToolboxError, match=message):
        find_toolbox(given)


SOCKET = 'unix:///var/run/docker.sock'


@pytest.mark.parametrize(
    ('said', 'message'),
    [
        (f'Cannot connect to the Docker daemon at {SOCKET}. Is it running?', 'Start it'),
        (f'failed to connect to the docker API at {SOCKET}; check if', 'Start it'),
        (f'permission denied while trying to connect to the docker API at {SOCKET}', 'the group'),
    ],
)
def test_a_docker_that_does_not_answer_is_not_a_missing_image(place, said, message):
    program = place / 'bin' / 'docker'
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(ToolboxError, match=message) as caught:
        find_toolbox('lab/sct:7.2')
    assert said in str(caught.value)
    assert 'docker pull' not in str(caught.value)


def test_no_runtime_is_told(place, monkeypatch):
    monkeypatch.setenv('PATH', str(place / 'empty'))
    with pytest.raises(ToolboxError, match='neither apptainer nor singularity'):
        find_toolbox(place / 'sct 7.2.sif')
    with pytest.raises(ToolboxError, match='docker is not on PATH'):
        find_toolbox('lab/sct:7.2')


def test_an_image_without_sct_is_told(place):
    write_runtime(place / 'bin', 'apptainer', place / 'nowhere', place / 'calls')
    with pytest.raises(ToolboxError, match='no SCT in the image'):
        find_toolbox(place / 'sct 7.2.sif')
    assert not list((place / 'cache' / 'spinalprep' / 'images').iterdir())


def test_a_cache_that_can_not_be_written_is_told(place, monkeypatch):
    (place / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(place / 'file'))
    with pytest.raises(ToolboxError, match='XDG_CACHE_HOME'):
        find_toolbox(place / 'sct 7.2.sif')


def test_a_path_that_can_not_be_bound_is_told(place):
    toolbox = find_toolbox(place / 'sct 7.2.sif')
    image = save_image(place / 'a,b' / 'a.nii.gz')
    reorient = sct.Image(toolbox=toolbox, in_file=str(image), set_orientation='LPI')
    (place / 'node').mkdir()
    with pytest.raises(ToolboxError, match='comma or colon'):
        reorient.run(cwd=str(place / 'node'))


def test_a_command_that_fails_inside_is_told_with_what_ran(place):
    toolbox = find_toolbox(place / 'sct 7.2.sif')
    image = place / 'a.nii.gz'
    image.write_text('no image')
    reorient = sct.Image(toolbox=toolbox, in_file=str(image), set_orientation='LPI')
    with pytest.raises(SCTCommandError, match='apptainer exec --cleanenv'):
        reorient.run(cwd=str(place))


@pytest.mark.parametrize('runtime', ['apptainer', 'docker'])
def test_a_command_that_failed_inside_can_be_tried_by_hand(place, runtime):
    """Its temporary folder, which the runtime must find, is gone by then."""
    write_runtime(place / 'bin', runtime, place / 'inside' / 'sct_7.2', place / 'calls')
    toolbox = find_toolbox('lab/sct:7.2' if runtime == 'docker' else place / 'sct 7.2.sif')
    image = place / 'a.nii.gz'
    image.write_text('no image')
    node = place / 'my node'
    node.mkdir()
    reorient = sct.Image(toolbox=toolbox, in_file=str(image), set_orientation='LPI')
    with pytest.raises(SCTCommandError):
        reorient.run(cwd=str(node))
    printed = (node / 'command.log').read_text()
    assert 'FATAL' not in printed
    temp = Path(json.loads((node / 'command.json').read_text())['temp'])
    assert not temp.exists()
    line = Crash('wf.reorient', node, 'SCTCommandError', 'it failed', None).command()['command']
    try:
        by_hand = subprocess.run(
            ['/bin/sh', '-c', f'({line}) 2>&1'],
            cwd='/', capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert by_hand.stdout.splitlines()[-1] == printed.splitlines()[-1]
        # the image was looked into; the command ran; then by hand
        assert sum(isinstance(call, dict) for call in calls(place)) == 3
    finally:
        temp.rmdir()


@pytest.mark.parametrize('runtime', ['apptainer', 'docker'])
def test_folders_are_bound_from_the_top_down(runtime):
    """One that is bound later hides those below it: a command could not write its results."""
    container = Container(runtime, runtime, '/image.sif')
    node, temp = Path('/study/work/sub-01/node'), Path('/study/work/temp')
    argv = container.argv(
        ['sct_version'], folder=node, temp=temp, readable=[Path('/study'), Path('/')]
    )
    binds = [word for word in argv if word.startswith(('--bind=', '--mount='))]
    places = [re.search(r'(?:=|source=)(/[^:"]*)', word)[1] for word in binds]
    assert places == ['/', str(temp), str(node)]


def test_a_template_of_links_can_be_read_inside(place):
    """As in a shared store, or under git-annex: each file lies in a folder of its own."""
    made = make_template(place / 'mine')
    (made / 'atlas').mkdir()
    (made / 'atlas' / 'info_label.txt').write_text('0, tract, tract.nii.gz\n1, no, no.nii.gz\n')
    (made / 'atlas' / 'tract.nii.gz').write_text('a tract')
    for number, path in enumerate(sorted(made.rglob('*.*'))):
        real = place / 'store' / str(number) / path.name
        real.parent.mkdir(parents=True)
        path.symlink_to(path.rename(real))
    (made / 'atlas' / 'no.nii.gz').symlink_to(place / 'store' / 'not' / 'fetched')
    toolbox = find_toolbox(place / 'sct 7.2.sif', template=made)
    image, warp = save_image(place / 'in' / 'a.nii.gz'), save_image(place / 'in' / 'warp.nii.gz')
    (place / 'node').mkdir()
    command = sct.WarpTemplate(toolbox=toolbox, dest_file=str(image), warp_file=str(warp))
    with pytest.raises(SCTCommandError):  # these are no images
        command.run(cwd=str(place / 'node'))
    assert 'FATAL' not in (place / 'node' / 'command.log').read_text()
    for path in (place / 'store').iterdir():
        assert calls(place)[-1]['binds'][str(path)] == 'ro'


def test_another_template_of_one_command_can_be_read_inside(place):
    other = make_template(place / 'other')
    image, warp = save_image(place / 'in' / 'a.nii.gz'), save_image(place / 'in' / 'warp.nii.gz')
    (place / 'node').mkdir()
    command = sct.WarpTemplate(
        toolbox=find_toolbox(place / 'sct 7.2.sif'), template=str(other),
        dest_file=str(image), warp_file=str(warp),
    )  # fmt: skip
    with pytest.raises(SCTCommandError):
        command.run(cwd=str(place / 'node'))
    assert calls(place)[-1]['binds'][str(other)] == 'ro'


def test_a_docker_container_is_stopped_when_we_are_killed(place):
    """No signal to Docker's client reaches the container."""
    write_runtime(place / 'bin', 'docker', place / 'inside' / 'sct_7.2', place / 'calls')
    find_toolbox('lab/sct:7.2')
    (place / 'bin' / 'docker').write_text(
        (place / 'bin' / 'docker')
        .read_text()
        .replace('os.execve(program', 'import time; time.sleep(60); os.execve(program')
    )
    save_image(place / 'a.nii.gz')
    code = (
        'from spinalprep.interfaces import sct; from spinalprep.toolbox import find_toolbox; '
        "sct.Image(toolbox=find_toolbox('lab/sct:7.2'), in_file='a.nii.gz', "
        "set_orientation='LPI').run()"
    )
    environment = os.environ | {'PYTHONPATH': str(Path(spinalprep.__file__).parents[1])}
    process = subprocess.Popen([sys.executable, '-c', code], cwd=place, env=environment)
    wait_for(lambda: len(calls(place)) == 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    name = next(o for o in calls(place)[1]['options'] if o.startswith('--name='))
    wait_for(lambda: calls(place)[-1] == ['kill', name.removeprefix('--name=')])


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
