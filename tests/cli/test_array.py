# SPDX-License-Identifier: Apache-2.0
"""The job array: what its tasks are, and that the script does what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from spinalprep.cli.array import _without_tasks
from spinalprep.cli.main import main
from spinalprep.errors import ExitCode
from tests.standins import dataset, write_template

SBATCH = """#!/bin/bash
# Runs the tasks of an array at once, in order, and a job that waits as if it waited.
echo "sbatch $*" >> "$STANDIN_LOG"
for text in "$@"; do
  case $text in
    --array=*) range=${text#--array=} ;;
    --export=ALL,*) export "${text#--export=ALL,}" ;;
  esac
done
count=$(grep -c '^sbatch' "$STANDIN_LOG")
export SLURM_JOB_ID=$((100 + count))
range=${range%%%*}
if [ -z "$range" ]; then bash "${@: -1}" >&2; else
  for ((task = ${range%-*}; task <= ${range#*-}; task++)); do
    SLURM_ARRAY_TASK_ID=$task bash "${@: -1}" >&2
  done
fi
echo "$((100 + count));cluster"
"""

PYTHON = """#!/bin/bash
{ pwd; printf '%s\\n' "$@"; } | paste -sd' ' >> "$STANDIN_LOG"
"""


@pytest.mark.parametrize(
    ('given', 'kept'),
    [
        ('a b participant --session-id x y --gpu', 'a b participant --gpu'),
        ('run S --out o --participant_label 1 --mem=3 --sct d', 'run S --out o --sct d'),
        ('run S --slurm-args --account=x --force', 'run S --force'),
        ('run S --session-label=x --nprocs 3', 'run S'),
        ('run S --work-dir w --array-script f', 'run S --work-dir w'),
        ('run S --use-plugin p.yaml --gpu', 'run S --gpu'),
        ('run S --plugin slurm --use-plugin=p.yaml', 'run S'),
    ],
)
def test_tasks_do_not_get_what_differs_between_them(given, kept):
    assert _without_tasks(given.split()) == kept.split()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A dataset in a folder with a name that shells misread, and stand-ins on PATH."""
    folder = tmp_path / "O'Neil & co"
    tools = tmp_path / 'tools'
    tools.mkdir()
    scripts = {
        'sbatch': SBATCH,
        'scontrol': '#!/bin/bash\necho "MaxArraySize            = 2"\n',
        'python': PYTHON,
    }
    for name, text in scripts.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    dataset(folder / 'ds', sub_01_T2w={}, sub_02_a_T2w={}, sub_02_b_T2w={}, sub_03_b_bold={})
    write_template(folder / 'tpl')
    monkeypatch.chdir(folder)
    monkeypatch.setenv('PATH', f'{tools}:{os.environ["PATH"]}')
    monkeypatch.setenv('STANDIN_LOG', str(tmp_path / 'log'))
    monkeypatch.setattr('spinalprep.toolbox.preflight.TEMP_SPACE_GB', 0)
    monkeypatch.setattr(sys, 'executable', str(tools / 'python'))
    for name in ('SLURM_JOB_ID', 'SLURM_ARRAY_TASK_ID', 'PYTHONPATH'):
        monkeypatch.delenv(name, raising=False)
    return folder


def write(*options):
    return main(
        ['run', 'S2_anat_cordref', '--bids-dir', 'ds', '--out', 'out', '--sct', 'embedded',
         '--template', 'tpl', '--array-script', 'job.sh', *options]
    )  # fmt: skip


def test_all_tasks_in_arrays_that_are_not_too_long_and_then_the_page(place, tmp_path, capsys):
    assert write('--policy', 'p.yaml') == 2
    Path('p.yaml').write_text('crop: {superior_mm: 20}\n')
    assert write('--policy', 'p.yaml', '--slurm-args=--account=spine') == 0
    assert '3 tasks of 4 processors' in capsys.readouterr().out
    assert not (place / 'out' / 'derivatives').exists()
    assert main(['status', '--out', 'out']) == 0
    assert 'ds sub-02_ses-a: waiting\n' in capsys.readouterr().out
    environment = os.environ | {'MOST': '1'}
    told = subprocess.run(
        ['bash', place / 'job.sh'], env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith('array: 101 102   page: 103   output of the jobs: ')
    run = f'{place} -m spinalprep run S2_anat_cordref --bids-dir ds --out out --sct embedded '
    run += '--template tpl --policy p.yaml --participant-label'
    lines = (tmp_path / 'log').read_text().splitlines()
    assert lines[0].startswith('sbatch --parsable --array=0-1%1 --export=ALL,SPINALPREP_FIRST=0 ')
    assert lines[1:3] == [f'{run} 01', f'{run} 02 --session-label a']
    assert '--array=0-0%1' in lines[3]
    assert lines[4] == f'{run} 02 --session-label b'
    assert '--dependency=afterany:101:102' in lines[5]
    assert lines[6] == f'{place} -m spinalprep report --pages-only --out {place}/out'
    assert len(lines) == 7
    assert '\n#SBATCH --account=spine\n' in (place / 'job.sh').read_text()


def test_working_files_on_the_node_are_gone_after_the_task(place, tmp_path, monkeypatch):
    assert write('--array-scratch', '$SCRATCH', '--nprocs', '3', '--mem', '6G') == 0
    text = (place / 'job.sh').read_text()
    assert '--cpus-per-task=3\n#SBATCH --mem=5723M\n' in text
    monkeypatch.setenv('SCRATCH', str(tmp_path / 'a disk'))
    subprocess.run(['bash', place / 'job.sh'], check=True, capture_output=True)
    work = f'{tmp_path}/a disk/spinalprep_101'
    assert f'--participant-label 01 --work-dir {work}\n' in (tmp_path / 'log').read_text()
    assert list((tmp_path / 'a disk').iterdir()) == []


def test_within_a_scope_each_task_names_its_dataset(place, tmp_path):
    Path('local.yaml').write_text('one: ds\n')
    Path('datasets.yaml').write_text('datasets:\n  - {key: one, intended_use: [regression]}\n')
    code = main(
        ['run', 'S2_anat_cordref', '--scope', 'reg', '--datasets-local', 'local.yaml', '--out',
         'out', '--sct', 'embedded', '--template', 'tpl', '--array-script', 'job.sh']
    )  # fmt: skip
    assert code == 0
    text = (place / 'job.sh').read_text()
    assert "  '--dataset-key one --participant-label 02 --session-label b'\n" in text
    assert '--scope' not in text


@pytest.mark.parametrize(
    ('args', 'why'),
    [
        ('--comment="open', 'No closing quotation'),
        ('--mem=3G\ntouch here', 'all options in one line expected'),
        ('--array=0-3', '--array can not be given to each job'),
    ],
)
def test_options_that_spoil_the_script_are_told_before_anything_is_written(
    place, capsys, args, why
):
    assert write(f'--slurm-args={args}') == ExitCode.USAGE
    assert why in capsys.readouterr().err
    assert sorted(path.name for path in place.iterdir()) == ['ds', 'tpl']
