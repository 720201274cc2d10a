# SPDX-License-Identifier: Apache-2.0
"""Clean products of real images."""

from __future__ import annotations

from pathlib import Path

from benchmarks.faulty.products import Products, Template, find_products, register
from benchmarks.validation.common import Template as Pam50
from benchmarks.validation.common import labels, load
from spinalprep.anatomy.labels import label_points
from spinalprep.anatomy.quality.descent import Descents

IMAGES = ('t2_cervical', 'pam50_small')
"""The other real image, ``t2_thick_axial``, is rejected before there are any products."""


def real_products(name: str, data: Path) -> Products:
    """Products of an image, registered to PAM50.

    Parameters
    ----------
    name : str
        Of :data:`IMAGES`.
    data : Path
        Folder with both.
    """
    pam50, prefix = Pam50.of(data), data / 'pam50_small' / 'template'
    midpoints = label_points(*labels(prefix / 'PAM50_small_rootlets_midpoints.nii.gz'))
    template = Template.of(pam50.cord, pam50.affine, pam50.discs, midpoints, _pam50_descents(data))
    if name == 'pam50_small':
        # the template's own rootlets: those found lie up to 15 mm off, which evidence tells
        rootlets = labels(prefix / 'PAM50_small_rootlets.nii.gz')[0]
        products = find_products(pam50.image, pam50.affine, 'T2w').but(rootlets=rootlets)
    else:
        image, affine = load(data / name / 't2.nii.gz')
        points = label_points(*labels(data / name / 'labels.nii.gz'))
        products = find_products(image, affine, 'T2w', (3, points[3]))
    products = products.but(template=template)
    return products.but(paths=register(products))


def _pam50_descents(data: Path) -> Descents:
    """Of PAM50 at its full size: 2 mm along the cord are too coarse for slopes."""
    folder = data / 'pam50_labels' / 'template'
    cord, affine = labels(folder / 'PAM50_cord.nii.gz')
    discs = label_points(*labels(folder / 'PAM50_label_disc.nii.gz'))
    return Descents.of(labels(folder / 'PAM50_rootlets.nii.gz')[0], discs, cord > 0, affine)
