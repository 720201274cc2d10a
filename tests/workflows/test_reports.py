# SPDX-License-Identifier: Apache-2.0
"""Figures in the graph: nothing hangs on them, and they hang on what they show alone."""

import networkx as nx
import nibabel as nb
import numpy as np
import pytest
from nipype.interfaces.base import isdefined
from nipype.pipeline.engine.utils import generate_expanded_graph
from PIL import Image

from spinalprep.interfaces import reports
from spinalprep.policy import Policy
from spinalprep.products import FIGURES, names
from spinalprep.toolbox import Toolbox
from spinalprep.workflows import init_single_subject_wf


@pytest.fixture
def graph(tmp_path):
    """Expanded graph of one subject, by the nodes' last names."""
    image = tmp_path / 'sub-01_T2w.nii.gz'
    image.touch()
    wf = init_single_subject_wf(
        anat=image, modality='T2w', entities={'sub': '01'}, policy=Policy(),
        toolbox=Toolbox.example('7.3'), omp_nthreads=1, derivatives_dir=tmp_path, provenance={},
    )  # fmt: skip
    expanded = generate_expanded_graph(wf._create_flat_graph())
    return nx.relabel_nodes(expanded, {node: node.name for node in expanded})


def test_only_its_own_sink_hangs_on_a_figure(graph):
    for name in names(FIGURES):
        assert nx.descendants(graph, f'{name}_report') == {f'save_{name}_report'}
        assert not list(graph.successors(f'save_{name}_report'))


def test_a_figure_waits_for_nothing_that_it_does_not_show(graph):
    before = {name: nx.ancestors(graph, f'{name}_report') for name in names(FIGURES)}
    # the box of a rejected image is drawn: what rejects it must not come first
    assert 'field_of_view' not in before['figure_crop_box']
    assert not before['figure_cord_mask'] & {'rootlets', 'register_disc'}
    for name in ('figure_spine', 'figure_rootlets'):
        assert not before[name] & {'register_disc', 'register_rootlet', 'choose'}
    assert 'choose' in before['figure_overlay']
    assert 'save' not in set().union(*before.values())


def test_an_image_that_will_be_rejected_is_drawn(tmp_path):
    cord = np.zeros((30, 30, 40), np.uint8)
    cord[13:17, 13:17, 10:18] = 1
    image = np.random.default_rng(0).normal(100, 10, cord.shape).astype(np.float32)
    for name, data in (('image', image), ('cord', cord), ('none', cord * 0)):
        nb.save(nb.Nifti1Image(data, np.eye(4)), tmp_path / f'{name}.nii.gz')
    margins = dict.fromkeys(
        ('left_right_mm', 'anterior_mm', 'posterior_mm', 'superior_mm', 'inferior_mm'), 5.0
    )
    for cord_file in ('cord', 'none'):
        drawn = reports.CropBoxReport(
            anat='sub-01_T2w.nii.gz', in_file=str(tmp_path / 'image.nii.gz'),
            cord_file=str(tmp_path / f'{cord_file}.nii.gz'), margins=margins, min_z_slices=20,
        ).run(cwd=str(tmp_path)).outputs.out_file  # fmt: skip
        with Image.open(drawn) as figure:
            assert figure.format == 'PNG'


@pytest.mark.parametrize(
    'interface',
    [
        reports.CordMaskReport,
        reports.SpineReport,
        reports.RootletsReport,
        lambda **given: reports.OverlayReport(bounds=Policy().verdict, **given),
    ],
)
def test_without_what_it_shows_there_is_no_figure_and_no_error(interface, tmp_path):
    outputs = interface(anat='sub-01_T2w.nii.gz').run(cwd=str(tmp_path)).outputs
    assert not isdefined(outputs.out_file)
    assert not list(tmp_path.iterdir())
