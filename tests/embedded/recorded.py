# SPDX-License-Identifier: Apache-2.0
"""Recorded runs of the real SCT, laid out again so that the embedded one can repeat them."""

import json
import shutil
from pathlib import Path

import nibabel as nb
import numpy as np

from spinalprep.embedded.__main__ import main


class Case:
    """One recorded run: its inputs in a folder, what it wrote, how it ended."""

    def __init__(self, data: Path, number: str, folder: Path):
        self.stored = next((data / 'sct_runs').glob(f'{number}_*'))
        self.run = json.loads((self.stored / 'run.json').read_text())
        self.folder = folder
        for item in self.run['inputs']:
            target = folder / item['name']
            target.parent.mkdir(parents=True, exist_ok=True)
            if item.get('made') == 'tpl_incomplete':
                shutil.copytree(data / 'pam50_small', target)
                (target / 'template' / 'PAM50_small_rootlets_midpoints.nii.gz').unlink()
                continue
            if 'data' in item:
                source = data / item['data']
            elif 'case' in item:
                source = data / 'sct_runs' / item['case'] / 'out' / item['file']
            else:
                source = self.stored / 'in' / item['name']
            copy = shutil.copytree if source.is_dir() else shutil.copyfile
            copy(source, target)

    def repeat(self) -> int:
        """Exit code of the embedded SCT for the recorded command line."""
        return run(self.run['argv'])

    def pair(self, path: str) -> tuple[nb.Nifti1Image, nb.Nifti1Image]:
        """Our output and the recorded one."""
        return nb.load(self.folder / path), nb.load(self.stored / 'out' / path)

    def check_same(self, path: str, *, tolerance: float = 0.0) -> None:
        """Same grid, same form codes, same values."""
        ours, theirs = self.pair(path)
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours.affine, theirs.affine, atol=1e-3)
        for code in ('qform_code', 'sform_code'):
            assert int(ours.header[code]) == int(theirs.header[code])
        np.testing.assert_allclose(ours.get_fdata(), theirs.get_fdata(), atol=tolerance)


def run(argv: list[str]) -> int:
    """Exit code of one command, run in this process."""
    try:
        return main(argv)
    except SystemExit as end:
        return end.code
