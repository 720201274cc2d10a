# SPDX-License-Identifier: Apache-2.0
"""A finished output folder of the stand-in graph, and what is needed to damage it."""

import dataclasses
import shutil

import nibabel as nb
import numpy as np
import pytest

from spinalprep.driver import run_targets
from spinalprep.layout import Layout
from spinalprep.naming import location
from spinalprep.policy import Policy
from spinalprep.products import product
from spinalprep.runs import Run
from spinalprep.selection import select
from spinalprep.toolbox import Toolbox
from tests.standins import dataset, standin_wf, write_template

OUTPUT_NAMES = {'run': 'seed', 'bids-app': 'bids'}
"""Layout → scheme of file names: the check must know both by itself."""


@pytest.fixture(scope='module', params=OUTPUT_NAMES)
def finished(request, tmp_path_factory):
    """Two subjects that completed, one of them without rootlets and maps of the template."""
    root = tmp_path_factory.mktemp('check')
    dataset(
        root / 'ds',
        sub_01_T2w={},
        sub_02_a_T1w={'without': ['rootlets', 'two_paths', 'template_maps']},
    )
    run = Run(
        layout=Layout(root / 'out', 'ds', request.param, root / 'work'),
        bids_dir=root / 'ds',
        policy=Policy(),
        toolbox=dataclasses.replace(
            Toolbox.example('7.2'), template=write_template(root / 'template')
        ),
        output_names=OUTPUT_NAMES[request.param],
        factory=standin_wf,
    )
    run_targets(select(root / 'ds'), run)
    return run.layout


@pytest.fixture
def layout(finished, tmp_path):
    shutil.copytree(finished.out, tmp_path / 'out')
    return dataclasses.replace(finished, out=tmp_path / 'out')


def path_of(layout, name):
    """File of a product or figure of the first subject."""
    item = product(name)
    scheme = OUTPUT_NAMES[layout.kind]
    place = location(item, {'sub': '01'}, 'T2w', scheme=scheme, path='rootlet')
    return layout.derivatives / place


def rewrite(path, change, **header):
    """Save an image again, its values changed, and its affine or intent where given."""
    image = nb.load(path)
    data = change(np.asanyarray(image.dataobj).copy())
    new = nb.Nifti1Image(data, header.get('affine', image.affine))
    new.header.set_intent(header.get('intent', image.header.get_intent()[0]))
    path.unlink()
    nb.save(new, path)
