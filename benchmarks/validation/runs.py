# SPDX-License-Identifier: Apache-2.0
"""The whole command on a real neck, images to be refused, and time and memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.processing import resample_from_to
from validation.common import Drawing, Row, Template, dice, labels, least, most

from spinalprep.anatomy.finder import CordNotFound, find_cord
from spinalprep.anatomy.labels import label_points
from spinalprep.anatomy.warps import DisplacementField
from spinalprep.embedded.phantom import PhantomParams, make_phantom
from spinalprep.embedded.phantom.refusals import REFUSALS, refusal_image

STEP = 'S2_anat_cordref'
ORDER = ('PASS', 'WARN', 'FAIL')


def measure_run(data: Path) -> tuple[list[Row], list[Drawing]]:
    """``spinalprep run`` on ``t2_cervical``, with discs given, and with rootlets as well."""
    name, folder = 'run, t2_cervical', data / 't2_cervical'
    given = {'disc_labels': folder / 'labels.nii.gz'}
    with tempfile.TemporaryDirectory() as work:
        out, record = _run(data, Path(work) / 'discs', given)
        rows = [*_judge(name, data, out), _verdict(name, record, 'PASS')]
    given['rootlets_dseg'] = folder / 't2_rootlets-manual.nii.gz'
    name = 'run, t2_cervical with rootlets'
    with tempfile.TemporaryDirectory() as work:
        out, record = _run(data, Path(work) / 'rootlets', given)
        offset = record['evidence']['registration'].get('offset_mm') or float('nan')
        rows.append(Row(name, 'offset (mm)', offset, '24–26', not 24 <= offset <= 26))
        rows.append(_verdict(name, record, 'WARN'))
    return rows, []


def _verdict(name: str, record: dict, bar: str) -> Row:
    """Row of a verdict that is to be at least as bad as `bar`, or just as good."""
    verdict = record['verdict']
    good = verdict == bar if bar == 'PASS' else ORDER.index(verdict) >= ORDER.index(bar)
    return Row(name, 'verdict', verdict, bar if bar == 'PASS' else f'at least {bar}', not good)


def _run(data: Path, work: Path, given: dict[str, Path]) -> tuple[Path, dict]:
    """Folder of a subject's derivatives, and its record."""
    anat = work / 'bids' / 'sub-01' / 'anat'
    anat.mkdir(parents=True)
    shutil.copyfile(data / 't2_cervical' / 't2.nii.gz', anat / 'sub-01_T2w.nii.gz')
    (work / 'bids' / 'dataset_description.json').write_text(
        json.dumps({'Name': 'neck', 'BIDSVersion': '1.9.0', 'DatasetType': 'raw'})
    )
    command = [
        sys.executable, '-m', 'spinalprep', 'run', STEP, '--bids-dir', str(work / 'bids'),
        '--out', str(work / 'out'), '--sct', 'embedded',
        '--template', str(data / 'pam50_small'), '--nprocs', '1',
    ]  # fmt: skip
    for product, path in given.items():
        command += ['--precomputed', f'{product}={path}']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    records = list((work / 'out' / 'logs').rglob('sub-01.json'))
    if not records:
        raise RuntimeError(f'{" ".join(command)}\n{done.stdout}\n{done.stderr}')
    record = json.loads(records[0].read_text())
    if record['status'] != 'completed':
        raise RuntimeError(f'{record["status"]}: {record["reasons"]}')
    return next((work / 'out' / 'derivatives').rglob('sub-01')), record


def _judge(name: str, data: Path, out: Path) -> list[Row]:
    """Overlap of the moved template cord with the manual one, and where its discs land."""
    pull = next(out.rglob('*_to-cordref_warp.nii.gz'))
    to_subject = DisplacementField.load(next(out.rglob('*_from-cordref_to-*_warp.nii.gz')))
    to_template = DisplacementField.load(pull)
    template = Template.of(data)
    cord = to_template.resample(template.cord.astype(np.float32), template.affine) > 0.5
    manual = nib.load(data / 't2_cervical' / 't2_seg-manual.nii.gz')
    grid = (to_template.shape, to_template.affine)
    truth = resample_from_to(manual, grid, order=0).get_fdata() > 0.5
    covered = (to_template.valid | ~truth).all(axis=(0, 1)) & cord.any(axis=(0, 1))
    covered &= truth.any(axis=(0, 1))
    points = label_points(*labels(data / 't2_cervical' / 'labels.nii.gz'))
    away = []
    for value, point in points.items():
        moved, valid = to_subject.map_points(template.discs[value])
        away.append(abs(float(np.ravel(moved)[2]) - point[2]) if np.all(valid) else np.inf)
    overlap = dice(cord[..., covered], truth[..., covered])
    return [
        least(name, 'Dice of the template cord', overlap, 0.90),
        Row(name, 'slices covered', int(covered.sum())),
        most(name, 'discs by the field, along z (mm)', max(away), 1.5),
    ]  # fmt: skip


def measure_refusals(seeds: range) -> list[Row]:
    """Masks where there must be none."""
    rows = []
    for kind in REFUSALS:
        confident = 0
        for seed in seeds:
            image = refusal_image(kind, seed)
            try:
                cord = find_cord(np.asarray(image.dataobj), image.affine)
            except CordNotFound as error:
                print(f'{kind} {seed}: {error}', file=sys.stderr)
            else:
                confident += 1
                print(f'{kind} {seed}: FOUND {cord.contrast} {cord.check}', file=sys.stderr)
        rows.append(most(f'{kind}, {len(seeds)} seeds', 'confident masks', confident, 0))
    return rows


_TIMED = """
import sys, time
import numpy as np
from spinalprep.anatomy.finder import find_cord

def peak():
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) for line in status if line.startswith('VmHWM')) / 2**20

image, affine = np.load(sys.argv[1]), np.load(sys.argv[2])
once = image.astype(np.float32) * 2 + 1
del once
before = peak()
wall, cpu = time.perf_counter(), time.process_time()
cord = find_cord(image, affine)
print(time.perf_counter() - wall, time.process_time() - cpu, peak() - before, cord.mask.sum())
"""


def measure_speed() -> list[Row]:
    """Time and memory of the finder, in a process of its own with one thread."""
    name, height = '64×320×320 at 0.8 mm', 320
    params = PhantomParams(voxel_mm=(0.8, 0.8, 0.8), field_mm=(51.2, 256.0), bottom_level=14.2)
    phantom = make_phantom(params)
    image = np.asarray(phantom.image.dataobj)
    image = np.pad(image, ((0, 0), (0, 0), (max(height - image.shape[2], 0), 0)))[..., -height:]
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f'{part}.npy') for part in ('image', 'affine')]
        np.save(paths[0], image)
        np.save(paths[1], phantom.affine)
        root = Path(__file__).resolve().parents[2]
        threads = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'), '1')
        done = subprocess.run(
            [sys.executable, '-c', _TIMED, *paths],
            capture_output=True, text=True, check=True, cwd=root, env={**os.environ, **threads},
        )  # fmt: skip
    wall, cpu, memory, _ = map(float, done.stdout.split())
    return [
        most(name, 'processor time (s)', cpu, 4.0),
        Row(name, 'wall time (s)', wall),
        most(name, 'peak memory beside one pass (GB)', memory, 0.5),
    ]
