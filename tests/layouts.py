# SPDX-License-Identifier: Apache-2.0
"""Datasets as they occur, each with what must be taken, what not and why: the one table."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.datasets import BRAIN, SPINE, image, write

SAGITTAL = ((15, 512, 512), (3.3, 0.5, 0.5))
AXIAL = ((320, 320, 40), (0.5, 0.5, 3.0))
FEW_SLICES = ((256, 256, 19), (0.7, 0.7, 7.5))
TALL_HEAD = ((192, 256, 320), (1.0, 1.0, 1.0))

ANNEX = '.git/annex/objects/Xx/Yy/MD5E-s9--abc.nii.gz/MD5E-s9--abc.nii.gz'


@dataclass(frozen=True)
class Layout:
    """A dataset, how it is asked for, and what must come of it.

    Files are named without subject (and session) and extension: ``T2w`` in the folder of
    ``sub-01`` is ``sub-01/anat/sub-01_T2w.nii.gz``. Other files are given by their whole path.
    """

    name: str
    images: Mapping[str, Mapping[str, Any]]
    """Subject and session, such as ``01`` or ``01/a``, to images with their geometry."""
    taken: Mapping[str, list[str]]
    """Label → candidates, best first, as named in `images`."""
    dropped: Mapping[str, str] = field(default_factory=dict)
    """File name → words of the reason."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Label → words of the reason."""
    cordref: str = ''
    """Name of the cord reference of the first subject."""
    others: tuple[str, ...] = ()
    """Files that are no images."""
    root: str = 'ds'
    asks: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of ``select``; also ``filter_file`` (its content), ``acq`` and ``run``."""
    change: Callable[[Path], Path | None] | None = None
    """What else is done to the dataset; may return another root."""

    def build(self, parent: Path) -> Path:
        """Make it."""
        root = parent / self.root
        for place, images in self.images.items():
            for name, geometry in images.items():
                image(root / self.path(place, name), *geometry)
        write(root, *self.others)
        return (self.change and self.change(root)) or root

    @staticmethod
    def path(place: str, name: str) -> str:
        """Path of an image below the root."""
        subject, _, session = place.partition('/')
        stem = f'sub-{subject}' + (f'_ses-{session}' if session else '')
        folder = f'sub-{subject}' + (f'/ses-{session}' if session else '')
        extension = '' if name.endswith('.nii') else '.nii.gz'
        return f'{folder}/anat/{stem}_{name}{extension}'


def _link_subject(root: Path) -> None:
    (root / 'sub-01').rename(root.parent / 'elsewhere')
    (root / 'sub-01').symlink_to(root.parent / 'elsewhere')


def _link_root(root: Path) -> Path:
    link = root.parent / 'link'
    link.symlink_to(root)
    return link


def _annex(root: Path) -> None:
    """One image that is there, one that is not, and one that is unlocked and not there."""
    here = root / 'sub-01/anat/sub-01_T1w.nii.gz'
    key = root / '.git/annex/objects/Aa/Bb/MD5E-s8--def.nii.gz/MD5E-s8--def.nii.gz'
    key.parent.mkdir(parents=True)
    here.rename(key)
    here.symlink_to(Path('../../') / key.relative_to(root))
    (here.parent / 'sub-01_T2w.nii.gz').symlink_to(f'../../{ANNEX}')
    (here.parent / 'sub-01_run-2_T2w.nii.gz').write_text('/annex/objects/MD5E-s9--abc.nii.gz\n')


def _empty_folder(root: Path) -> None:
    shutil.rmtree(root / 'sub-02/anat')


def _read_only(root: Path) -> None:
    for path in [*root.rglob('*'), root]:
        path.chmod(0o555 if path.is_dir() else 0o444)


def _no_image(root: Path) -> None:
    (root / 'sub-01/anat/sub-01_T2w.nii.gz').write_bytes(b'no image at all')


ALL = {'T2w': SPINE, 'T1w': BRAIN}

LAYOUTS = (
    Layout(
        'one image of each kind',
        {'01': ALL},
        {'sub-01': ['T2w', 'T1w']},
        cordref='sub-01_desc-cordref_T2w.nii.gz',
    ),
    Layout(
        'T1w alone',
        {'01': {'T1w': BRAIN}},
        {'sub-01': ['T1w']},
        cordref='sub-01_desc-cordref_T1w.nii.gz',
    ),
    Layout(
        'files that never are anatomies',
        {'01': ALL},
        {'sub-01': ['T2w', 'T1w']},
        dropped={
            'sub-01_T2w_label-SC_seg.nii.gz': 'suffix seg is not T2w or T1w',
            'sub-01_desc-t2wmask_T2w.nii.gz': 'a derived image (desc-t2wmask)',
            'sub-01_space-PAM50_T2w.nii.gz': 'a derived image (space-PAM50)',
            'sub-01_mod-T1w_defacemask.nii.gz': 'suffix defacemask',
            'sub-01_acq-localizer_T2w.nii.gz': 'a localiser (acq-localizer)',
            'sub-01_acq-3plLoc_T2w.nii.gz': 'a localiser (acq-3plLoc)',
            'sub-01_acq-AAHScout_T1w.nii.gz': 'a localiser (acq-AAHScout)',
            'sub-01_part-phase_T2w.nii.gz': 'not a magnitude image (part-phase)',
            'sub-01_T2star.nii.gz': 'suffix T2star',
            'sub-01_t2w.nii.gz': 'suffix t2w',
            'sub-01_acq-t2-sag_T2w.nii.gz': 'not a BIDS file name (acq-t2-sag)',
            'sub-01_copy_T2w.nii.gz': 'not a BIDS file name',
            'sub-01_foo-1_T2w.nii.gz': 'unknown entity foo-',
            'sub-02_T2w.nii.gz': 'its name and its folder differ',
            'T2w.nii.gz': 'not a BIDS file name',
        },
        others=(
            'sub-01/func/sub-01_task-rest_T2w.nii.gz',
            'sub-01/anat/sub-01_T2w.json',
            'sub-01/anat/._sub-01_T2w.nii.gz',
        ),
    ),
    Layout(
        'a spine and a brain by name',
        {'01': {'acq-brain_T2w': TALL_HEAD, 'acq-cspine_T2w': SPINE, 'acq-head_T1w': BRAIN}},
        {'sub-01': ['acq-cspine_T2w', 'acq-brain_T2w', 'acq-head_T1w']},
        cordref='sub-01_acq-cspine_desc-cordref_T2w.nii.gz',
    ),
    Layout(
        'a brain that is taller than the slab of the spine',
        {'01': {'run-1_T2w': TALL_HEAD, 'run-2_T2w': SPINE}},
        {'sub-01': ['run-2_T2w', 'run-1_T2w']},
        cordref='sub-01_run-2_desc-cordref_T2w.nii.gz',
    ),
    Layout(
        'a brain in T2w, the spine only in T1w',
        {'01': {'acq-brain_T2w': BRAIN, 'acq-cord_T1w': SPINE}},
        {'sub-01': ['acq-cord_T1w', 'acq-brain_T2w']},
        cordref='sub-01_acq-cord_desc-cordref_T1w.nii.gz',
    ),
    Layout(
        'axial, sagittal and isotropic',
        {'01': {'acq-ax_T2w': AXIAL, 'acq-sag_T2w': SAGITTAL, 'acq-space_T2w': SPINE}},
        {'sub-01': ['acq-space_T2w', 'acq-sag_T2w', 'acq-ax_T2w']},
    ),
    Layout(
        'too few slices',
        {'01': {'T2w': FEW_SLICES, 'T1w': BRAIN}},
        {'sub-01': ['T1w', 'T2w']},
        asks={'min_slices': 20},
    ),
    Layout(
        'runs, echoes, reconstructions',
        {'01': {'run-10_T2w': SPINE, 'run-2_T2w': SPINE, 'rec-norm_run-2_T2w': SPINE}},
        {'sub-01': ['rec-norm_run-2_T2w', 'run-2_T2w', 'run-10_T2w']},
        cordref='sub-01_rec-norm_run-2_desc-cordref_T2w.nii.gz',
    ),
    Layout(
        'sessions, one without anatomy',
        {'01/a': ALL, '01/b': {'T1w': BRAIN}},
        {'sub-01_ses-a': ['T2w', 'T1w'], 'sub-01_ses-b': ['T1w'], 'sub-01_ses-c': []},
        skipped={'sub-01_ses-c': 'no T2w or T1w image'},
        others=('sub-01/ses-c/func/sub-01_ses-c_task-rest_bold.nii.gz',),
        cordref='sub-01_ses-a_desc-cordref_T2w.nii.gz',
    ),
    Layout(
        'tables beside subjects and sessions',
        {'01/a': ALL},
        {'sub-01_ses-a': ['T2w', 'T1w']},
        others=(
            'participants.tsv',
            'sub-01/sub-01_sessions.tsv',
            'sub-01/ses-a/sub-01_ses-a_scans.tsv',
            'sub-notafolder.tsv',
        ),
    ),
    Layout(
        'images with and without session',
        {'01': {'T1w': BRAIN}, '01/a': ALL},
        {'sub-01': ['T1w'], 'sub-01_ses-a': ['T2w', 'T1w']},
    ),
    Layout(
        'a session that was asked for',
        {'01/01': ALL, '01/02': ALL, '02/01': ALL},
        {'sub-01_ses-02': ['T2w', 'T1w'], 'sub-02_ses-2': []},
        asks={'sessions': ['2']},
        skipped={'sub-02_ses-2': 'it has no such session, only 01'},
    ),
    Layout(
        'neighbours',
        {'1': ALL, '01': ALL, '011': ALL, '11': ALL},
        {'sub-011': ['T2w', 'T1w'], 'sub-1': ['T2w', 'T1w'], 'sub-7': []},
        asks={'subjects': ['1', 'sub-011', 7]},
        skipped={'sub-7': 'it is not in the dataset'},
    ),
    Layout(
        'below a folder called derivatives',
        {'01': ALL},
        {'sub-01': ['T2w', 'T1w']},
        root='derivatives/ds',
        others=('derivatives/x/sub-01/anat/sub-01_T2w.nii.gz', 'sourcedata/sub-01/anat/a.nii.gz'),
    ),
    Layout(
        'below the folder of another subject',
        {'01': ALL, '02/1': ALL},
        {'sub-01': ['T2w', 'T1w'], 'sub-02_ses-1': ['T2w', 'T1w']},
        root='sub-99/ses-7/anat/ds',
    ),
    Layout(
        'spaces and accents',
        {'Zoë': ALL, '01': {'T2w': SPINE}},
        {'sub-01': ['T2w'], 'sub-Zoë': ['T2w', 'T1w'], 'sub-01 copy': []},
        others=('sub-01 copy/anat/sub-01 copy_T2w.nii.gz',),
        skipped={'sub-01 copy': 'not of letters and digits only'},
        root='Mes données (été) #1',
    ),
    Layout(
        'an accent that is stored in two characters',
        {'Zoe\u0308': {'T2w': SPINE}},
        {'sub-Zoe\u0308': ['T2w']},
        asks={'subjects': ['Zo\u00eb']},
    ),
    Layout('a linked subject', {'01': ALL}, {'sub-01': ['T2w', 'T1w']}, change=_link_subject),
    Layout('a linked dataset', {'01': ALL}, {'sub-01': ['T2w', 'T1w']}, change=_link_root),
    Layout(
        'DataLad, with files that are elsewhere',
        {'01': {'T1w': BRAIN}},
        {'sub-01': ['T1w']},
        dropped={
            'sub-01_T2w.nii.gz': 'annexed, and not on this machine (datalad get)',
            'sub-01_run-2_T2w.nii.gz': 'annexed, and not on this machine (datalad get)',
        },
        change=_annex,
    ),
    Layout(
        'a subdataset that is elsewhere',
        {'01': {'T1w': BRAIN}, '02': ALL},
        {'sub-01': ['T1w'], 'sub-02': []},
        skipped={'sub-02': 'its folder is empty'},
        change=_empty_folder,
    ),
    Layout('read only', {'01': ALL}, {'sub-01': ['T2w', 'T1w']}, change=_read_only),
    Layout(
        'not compressed',
        {'01': {'T2w.nii': SPINE}},
        {'sub-01': ['T2w.nii']},
        cordref='sub-01_desc-cordref_T2w.nii.gz',
    ),
    Layout('an image that is none', {'01': ALL}, {'sub-01': ['T1w', 'T2w']}, change=_no_image),
    Layout(
        'the policy wants T1w only',
        {'01': ALL},
        {'sub-01': ['T1w']},
        dropped={'sub-01_T2w.nii.gz': 'the policy (selection.modalities) does not use T2w'},
        asks={'modalities': ['T1w']},
    ),
    Layout(
        'narrowed by --acq and --run',
        {'01': {'acq-a_run-1_T2w': SPINE, 'acq-a_run-2_T2w': SPINE, 'acq-b_run-2_T2w': SPINE}},
        {'sub-01': ['acq-a_run-2_T2w']},
        dropped={
            'sub-01_acq-a_run-1_T2w.nii.gz': 'run-1, but --run asks for 2',
            'sub-01_acq-b_run-2_T2w.nii.gz': 'acq-b, but --acq asks for a',
        },
        asks={'acq': ['a'], 'run': [2]},
        cordref='sub-01_acq-a_run-2_desc-cordref_T2w.nii.gz',
    ),
    Layout(
        'narrowed by a filter file',
        {'01': {'acq-a_T2w': SPINE, 'T2w': SPINE, 'acq-a_T1w': BRAIN}},
        {'sub-01': ['T2w', 'acq-a_T1w']},
        dropped={'sub-01_acq-a_T2w.nii.gz': 'acq-a, but the filter file (t2w) asks for none'},
        asks={'filter_file': '{"t2w": {"acquisition": null}, "t1w": {"datatype": "anat"}}'},
    ),
)
