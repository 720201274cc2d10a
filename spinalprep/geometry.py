# SPDX-License-Identifier: Apache-2.0
"""Field of view and voxels of an image, by its header alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Geometry:
    """Field of view and voxels along the axes nearest to left–right, front–back, head–foot."""

    voxels: tuple[int, int, int]
    voxel_mm: tuple[float, float, float]

    @property
    def field_mm(self) -> tuple[float, float, float]:
        """Size of the field of view."""
        a, b, c = (n * mm for n, mm in zip(self.voxels, self.voxel_mm, strict=True))
        return a, b, c


def read_geometry(path: Path) -> Geometry | None:
    """Geometry by a file's header, which alone is read; None where it makes no sense.

    Parameters
    ----------
    path : Path
        NIfTI file.
    """
    import nibabel as nb
    import numpy as np

    try:
        image = nb.load(path)
        axes = nb.io_orientation(image.affine)[:, 0]
    except (nb.filebasedimages.ImageFileError, nb.spatialimages.HeaderDataError, OSError,
            EOFError, ValueError, np.linalg.LinAlgError):  # fmt: skip
        return None
    sizes = np.linalg.norm(image.affine[:3, :3], axis=0)
    if len(image.shape) < 3 or not np.array_equal(np.sort(axes), (0, 1, 2)):
        return None
    order = [int(np.flatnonzero(axes == axis)[0]) for axis in range(3)]
    voxels, voxel_mm = zip(*((int(image.shape[k]), float(sizes[k])) for k in order), strict=True)
    return Geometry(voxels, voxel_mm)
