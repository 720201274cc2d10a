# SPDX-License-Identifier: Apache-2.0
"""What the engine costs: a run against a shell script of the very same commands, and planning.

``python benchmarks/engine.py`` prints one table, measure × value, with what must be reached.
Exit code 1 if a bar is missed. The commands are those of the embedded SCT, on phantoms. Times of
a run are those of the clock, as ratios to the script's, which ran right before and after it; the
machine should have two processors and nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import nibabel as nb
import numpy as np

from spinalprep import execution, selection
from spinalprep.driver import Listeners, run_targets
from spinalprep.embedded.phantom import PhantomParams, make_phantom, write_template
from spinalprep.layout import Layout
from spinalprep.policy import Policy
from spinalprep.products import STEP
from spinalprep.runs import Run
from spinalprep.toolbox import find_toolbox

PARTS = ('wall', 'engine', 'rerun', 'planning')
WALL = {1: 0.95, 4: 0.65}
"""Subjects → most that a run may take of the script's time."""

RERUN_S, START_S, PLAN_MS, PLAN_KB = 3.0, 10.0, 2.0, 20.0
PROCESSORS = '2'
ENVIRONMENT = os.environ | {'OMP_NUM_THREADS': '1'}

Row = tuple[str, float, str, float | None]
"""Measure, value, unit, and the most that it may be."""


def main() -> int:
    """Measure and print; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--only', nargs='+', choices=PARTS, default=PARTS)
    parser.add_argument('--repeats', type=int, default=3, help='of which the median counts')
    parser.add_argument('--subjects', nargs='+', type=int, choices=WALL, default=[*WALL])
    parser.add_argument(
        '--plugin',
        nargs='+',
        default=['linear', 'multiproc', *(['slurm'] if cluster_answers() else [])],
        help='plugins whose engine time is measured (default: %(default)s)',
    )
    parser.add_argument('--folder', type=Path, help='where to work (default: a temporary one)')
    options = parser.parse_args()
    missed = False
    print('| measure | value | at most |')
    print('|---|---|---|')
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        world = Path(scratch)
        for part in options.only:
            for measure, value, unit, bar in _rows(part, world, options):
                over = bar is not None and value > bar
                missed |= over
                most = '' if bar is None else f'{bar:g} {unit}'.strip()
                mark = ' ✗' if over else ''
                print(f'| {measure} | {value:.3g} {unit} | {most}{mark} |'.replace('  ', ' '))
                sys.stdout.flush()
    return int(missed)


def _rows(part: str, world: Path, options: argparse.Namespace) -> Iterator[Row]:
    if part == 'wall':
        yield from measure_wall(world, options.subjects, options.repeats)
    elif part == 'engine':
        yield from measure_engine(world, options.plugin, options.repeats)
    elif part == 'rerun':
        yield from measure_rerun(world, options.repeats)
    else:
        yield from measure_planning(world)


# -- runs -------------------------------------------------------------------------------------


def measure_wall(world: Path, numbers: list[int], repeats: int) -> Iterator[Row]:
    """A run against a script of its commands, one after the other.

    The script runs before and after each run, whose time is compared with the mean of both: other
    work on the machine's host may change its speed by a tenth within minutes.
    """
    for number in numbers:
        out = fresh(world / 'out')
        run(world, out, number)
        script = world / 'commands.sh'

        def by_hand(out: Path = out, script: Path = script) -> float:
            script.write_text(as_script(out, world / 'by-hand'))
            return seconds(lambda: check(['sh', '-eu', str(script)], world))

        ratios, before = [], by_hand()
        for _ in range(repeats):
            fresh(out)
            ours = seconds(lambda out=out, number=number: run(world, out, number))
            after = by_hand()
            ratios.append(ours / statistics.mean([before, after]))
            before = after
        yield f'run ÷ script, subjects: {number}', statistics.median(ratios), '', WALL[number]


def measure_engine(world: Path, plugins: list[str], repeats: int) -> Iterator[Row]:
    """Time in which no command is at work, by plugin."""
    prepare(world, 1)
    for plugin in plugins:
        times = []
        for _ in range(repeats):
            out = fresh(world / 'out')
            total = seconds(lambda out=out, plugin=plugin: run(world, out, 1, '--plugin', plugin))
            times.append(total - busy_s(records(out)))
        yield f'engine time of one subject, {plugin}', statistics.median(times), 's', None


def measure_rerun(world: Path, repeats: int, number: int = 20) -> Iterator[Row]:
    """A run of subjects that are complete and unchanged."""
    out = fresh(world / 'out')
    run(world, out, 1)
    for label in range(2, number + 1):
        multiply(world, out, f'{label:02d}')
    times = [seconds(lambda: run(world, out, number)) for _ in range(repeats)]
    told = [record['times']['end'] for record in records(out)]
    assert len(set(told)) == 1, 'a subject ran again'
    yield f'unchanged rerun of {number} subjects', statistics.median(times), 's', RERUN_S


def run(world: Path, out: Path, number: int, *options: str) -> None:
    """``spinalprep run`` of the first subjects."""
    labels = prepare(world, number)
    argv = [
        sys.executable, '-m', 'spinalprep', 'run', STEP, '--bids-dir', 'ds', '--out', str(out),
        '--sct', 'embedded', '--template', 'template', '--nprocs', PROCESSORS,
        '--omp-nthreads', '1', '--participant-label', *labels, *options,
    ]  # fmt: skip
    check(argv, world)


def prepare(world: Path, number: int) -> list[str]:
    """Make the images of the first subjects, and the template, once; return the labels."""
    labels = [f'{label:02d}' for label in range(1, number + 1)]
    for label in labels:
        phantom(world, label)
    if not (world / 'template').is_dir():
        write_template(world / 'template')
    return labels


def check(argv: list[str], folder: Path) -> None:
    """Run a command that must end well."""
    ended = subprocess.run(
        argv, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def phantom(world: Path, label: str) -> Path:
    """Image of a subject, made once."""
    path = world / 'ds' / f'sub-{label}' / 'anat' / f'sub-{label}_T2w.nii.gz'
    if not path.is_file():
        path.parent.mkdir(parents=True)
        nb.save(make_phantom(PhantomParams(seed=int(label))).image, path)
    return path


def multiply(world: Path, out: Path, label: str) -> None:
    """A completed subject once more, under another label."""
    image = phantom(world, '01')
    copy = Path(str(image).replace('sub-01', f'sub-{label}'))
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(image, copy)
    for file in [*out.glob('derivatives/**/sub-01*'), *out.glob('logs/**/sub-01.json')]:
        if not file.is_file():
            continue
        twin = Path(str(file).replace('sub-01', f'sub-{label}'))
        twin.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix in ('.json', '.html'):
            text = file.read_text(encoding='utf-8').replace('sub-01', f'sub-{label}')
            twin.write_text(text.replace('"subject": "01"', f'"subject": "{label}"'))
        else:
            os.link(file, twin)


def records(out: Path) -> list[dict[str, Any]]:
    """Records of a run."""
    return [json.loads(path.read_text()) for path in sorted(out.glob(f'logs/{STEP}/ds/*.json'))]


def as_script(out: Path, folder: Path) -> str:
    """A run's commands as a user would write them down, each in an empty folder."""
    fresh(folder).mkdir()
    lines = []
    for record in records(out):
        for number, command in enumerate(record['commands']):
            place = folder / f'{record["subject"]}-{number:02d}'
            lines += [f'mkdir {place}', f'cd {place}', shlex.join(command['argv'])]
    assert lines, 'the run has no commands'
    return '\n'.join(lines) + '\n'


def busy_s(found: list[dict[str, Any]]) -> float:
    """Seconds in which at least one command was at work."""
    spans = []
    for record in found:
        for command in record['commands']:
            start = datetime.fromisoformat(command['start']).timestamp()
            spans.append((start, start + command['duration_s']))
    total, until = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(end - max(start, until), 0.0)
        until = max(until, end)
    return total


def cluster_answers() -> bool:
    """Whether there is a Slurm that takes jobs."""
    asked = [shutil.which('sinfo'), '--noheader', '--states=idle,mixed']
    if asked[0] is None:
        return False
    answer = subprocess.run(asked, capture_output=True, check=False)
    return answer.returncode == 0 and bool(answer.stdout.strip())


# -- planning ---------------------------------------------------------------------------------


def measure_planning(world: Path) -> Iterator[Row]:
    """From the index to the start of the first subject, in datasets of headers alone."""
    write_template(world / 'small', voxel_mm=(3.0, 3.0, 3.0))
    took, kept = {}, {}
    for number in (1000, 10000):
        dataset = headers(world / f'ds{number}', number)
        indexed, files = alone(index, dataset)
        took[number], kept[number] = alone(plan, dataset, world / 'small', None, files)
        yield f'indexing of {number} subjects by PyBIDS, each', 1e3 * indexed / number, 'ms', None
        yield f'planning {number} subjects, each', 1e3 * took[number] / number, 'ms', PLAN_MS
    each_kb = (kept[10000] - kept[1000]) / 9000
    yield 'memory of a planned subject', each_kb, 'KB', PLAN_KB
    growth = took[10000] / took[1000]
    yield 'planning 10000 subjects ÷ 1000 subjects', growth, '', 13.0
    few = seconds(lambda: alone(plan, dataset, world / 'small', [1, 5000, 10000]))
    yield 'start of 3 subjects out of 10000', few, 's', START_S


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a process of its own: its time and memory are its alone."""
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        return pool.apply(work, arguments)


def headers(root: Path, number: int) -> Path:
    """A dataset of images without content."""
    header = nb.Nifti1Image(np.zeros((1, 1, 1), np.int16), np.eye(4)).header.copy()
    shape = (64, 320, 320)
    header.set_data_shape(shape)
    header['magic'], header['vox_offset'] = b'n+1', 352
    for label in range(1, number + 1):
        path = root / f'sub-{label:05d}' / 'anat' / f'sub-{label:05d}_T2w.nii'
        path.parent.mkdir(parents=True)
        path.write_bytes(header.binaryblock + bytes(4))
        os.truncate(path, 352 + 2 * int(np.prod(shape)))  # sparse: no disk is taken
    return root


class _Started(BaseException):
    """The first subject would begin now."""


def index(dataset: Path) -> tuple[float, Mapping]:
    """Seconds of the processor that PyBIDS takes, and what it finds."""
    begin = time.process_time()
    found = selection.anat_files(dataset, [path.name[4:] for path in dataset.iterdir()])
    return time.process_time() - begin, found


def plan(
    dataset: Path, template: Path, subjects: list[int] | None, files: Mapping | None = None
) -> tuple[float, float]:
    """Select and plan until the first subject would begin.

    Parameters
    ----------
    dataset, template : Path
    subjects : list of int, optional
        All if not given.
    files : mapping, optional
        The index; made if not given.

    Returns
    -------
    seconds : float
        Of the processor.
    kilobytes : float
        Most memory that this process has had.
    """
    if files is not None:
        selection.anat_files = lambda *_: files
    toolbox = find_toolbox('embedded', template=template)
    execution.preload()  # what nodes import is no part of the plan
    begin = time.process_time()
    out = dataset.with_name(f'{dataset.name}-{"some" if subjects else "all"}')
    ours = Run(Layout(out, 'ds', 'run'), dataset, Policy(), toolbox, plugin='multiproc')

    def started(_: object) -> None:
        raise _Started

    with suppress(_Started):
        run_targets(selection.select(dataset, subjects=subjects), ours, Listeners(started=started))
    used = time.process_time() - begin
    return used, most_kb()


def most_kb() -> float:
    """Most memory (KB) that this process has had.

    What Linux answers to ``getrusage`` is never less than what the parent had.
    """
    with suppress(FileNotFoundError):
        lines = Path('/proc/self/status').read_text().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith('VmHWM:'))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# -- little helpers ---------------------------------------------------------------------------


def fresh(folder: Path) -> Path:
    """A path with nothing there."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, by the clock."""
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


if __name__ == '__main__':
    sys.exit(main())
