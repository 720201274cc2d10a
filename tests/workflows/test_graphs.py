# SPDX-License-Identifier: Apache-2.0
"""Graphs build and expand over all combinations of conditions, without SCT."""

import dataclasses
import inspect
import itertools

import pytest
from nipype.pipeline.engine.utils import generate_expanded_graph

from spinalprep.errors import InputImageError, PolicyError, ToolboxError
from spinalprep.interfaces import sct
from spinalprep.interfaces.template_maps import MAPS
from spinalprep.policy import Policy, policy_from_dict
from spinalprep.products import PRECOMPUTABLE, names
from spinalprep.toolbox import Toolbox
from spinalprep.workflows import init_single_subject_wf, init_spinalprep_wf
from spinalprep.workflows.anat import (
    init_anat_cordref_wf,
    init_discovery_wf,
    init_registration_wf,
    init_rootlets_wf,
    init_segmentation_wf,
    init_template_maps_wf,
)

TOOLBOX = Toolbox.example('7.3')
SUBSETS = [subset for size in range(6) for subset in itertools.combinations(PRECOMPUTABLE, size)]


def build(tmp_path, *, toolbox=TOOLBOX, modality='T2w', precomputed=(), **sections):
    image = tmp_path / 'image.nii.gz'
    image.touch()
    wf = init_anat_cordref_wf(
        modality=modality,
        policy=policy_from_dict(sections),
        toolbox=toolbox,
        omp_nthreads=2,
        precomputed=dict.fromkeys(precomputed, image),
    )
    wf.inputs.inputnode.anat = str(image)
    return wf


def commands(wf):
    """Names of the nodes that run SCT, after expansion."""
    graph = generate_expanded_graph(wf._create_flat_graph())
    return {
        node.fullname.split('.', 1)[1]
        for node in graph
        if isinstance(node.interface, sct.SCTCommand)
    }


@pytest.mark.parametrize('modality', ['T2w', 'T1w'])
@pytest.mark.parametrize('cord_method', ['contrast_agnostic', 'totalspineseg'])
@pytest.mark.parametrize('enabled', [True, False])
@pytest.mark.parametrize('prefer', [True, False])
def test_every_combination_expands(tmp_path, modality, cord_method, enabled, prefer):
    for subset in SUBSETS:
        ran = commands(
            build(
                tmp_path,
                modality=modality,
                precomputed=subset,
                segmentation={'cord_method': cord_method},
                rootlets={'enabled': enabled},
                registration={'prefer_rootlets': prefer},
            )
        )
        given = set(subset)
        expected = {
            'discovery_wf.discover': 'cord_dseg' not in given,
            'segmentation_wf.segment': 'cord_dseg' not in given
            and cord_method == 'contrast_agnostic',
            'segmentation_wf.spine': 'totalspineseg_dseg' not in given,
            'rootlets_wf.rootlets': 'rootlets_dseg' not in given and enabled and modality == 'T2w',
            'registration_wf.register_disc': True,
            'registration_wf.register_rootlet': True,
            'registration_wf.resample': True,
            'segmentation_wf.levels': True,
            'segmentation_wf.shape': True,
            'discovery_wf.reorient': True,
            'discovery_wf.crop': True,
            **{f'template_maps_wf.warp_{name}': True for name in MAPS},
        }
        assert ran == {name for name, runs in expected.items() if runs}, subset


def test_there_are_512_graphs():
    assert len(SUBSETS) * 2**4 == 512


def test_outputnode_is_the_same_on_every_branch(tmp_path):
    fields = {
        tuple(build(tmp_path, modality=m, precomputed=p).get_node('outputnode').outputs.get())
        for m in ('T2w', 'T1w')
        for p in SUBSETS
    }
    assert len(fields) == 1
    assert set(names()) < set(fields.pop())


def test_reused_discovery_segments_once(tmp_path):
    ran = commands(build(tmp_path, segmentation={'reuse_discovery': True}))
    assert 'segmentation_wf.segment' not in ran


def test_discovery_by_totalspineseg(tmp_path):
    wf = build(tmp_path, discover={'method': 'totalspineseg'})
    assert wf.get_node('discovery_wf').get_node('discover').interface.inputs.task == 'spine'


def test_given_labels_need_no_totalspineseg(tmp_path):
    ran = commands(
        build(
            tmp_path,
            precomputed=['disc_labels'],
            labelling={'method': 'given'},
        )
    )
    assert 'segmentation_wf.spine' not in ran
    assert 'segmentation_wf.levels' in ran


def test_given_discs_number_the_embedded_map(tmp_path):
    embedded = dataclasses.replace(TOOLBOX, version='embedded-0')
    for toolbox, connected in ((embedded, True), (TOOLBOX, False)):
        wf = build(tmp_path, toolbox=toolbox, precomputed=['disc_labels'])
        graph = wf.get_node('segmentation_wf')._graph
        spine = wf.get_node('segmentation_wf').get_node('spine')
        fields = {b for *_, edge in graph.in_edges(spine, data=True) for _, b in edge['connect']}
        assert ('anchor_file' in fields) == connected


def test_a_disc_of_the_policy_numbers_the_embedded_map(tmp_path):
    embedded = dataclasses.replace(TOOLBOX, version='embedded-0')
    labelling = {'init_disc': [5, -2.5]}
    wf = build(tmp_path, toolbox=embedded, labelling=labelling).get_node('segmentation_wf')
    anchor = wf.get_node('init_disc')
    assert (anchor.inputs.value, anchor.inputs.height) == (5, -2.5)
    assert wf._graph.has_edge(anchor, wf.get_node('spine'))
    with pytest.raises(
        PolicyError, match=r'labelling\.init_disc: SCT 7\.3 numbers discs by itself'
    ):
        build(tmp_path, labelling=labelling)
    for product in ('disc_labels', 'totalspineseg_dseg'):
        with pytest.raises(PolicyError, match=f'init_disc: has no effect where {product} is'):
            build(tmp_path, toolbox=embedded, labelling=labelling, precomputed=[product])


def test_given_labels_must_be_given(tmp_path):
    with pytest.raises(PolicyError, match=r'labelling\.method'):
        build(tmp_path, labelling={'method': 'given'})


def test_cord_of_a_map_needs_the_map(tmp_path):
    with pytest.raises(PolicyError, match=r'segmentation\.cord_method'):
        build(
            tmp_path,
            precomputed=['disc_labels'],
            labelling={'method': 'given'},
            segmentation={'cord_method': 'totalspineseg'},
        )


def test_old_sct_needs_given_discs(tmp_path):
    old = Toolbox.example('6.3')
    with pytest.raises(ToolboxError, match=r'spine needs SCT >= 6\.5'):
        build(tmp_path, toolbox=old)
    ran = commands(build(tmp_path, toolbox=old, precomputed=['disc_labels']))
    assert 'segmentation_wf.spine' not in ran


def test_rootlet_path_needs_sct_7(tmp_path):
    wf = build(tmp_path, toolbox=Toolbox.example('6.5'))
    assert 'registration_wf.register_rootlet' not in commands(wf)
    assert 'rootlets_wf.rootlets' in commands(wf)
    choose = wf.get_node('registration_wf').get_node('choose')
    assert choose.inputs.rootlet_no_result == [
        'registration by rootlets needs SCT >= 7.0, this is 6.5'
    ]


def test_policy_reaches_the_commands(tmp_path):
    wf = build(
        tmp_path,
        orientation='LPI',
        registration={'reference': 'subject', 'discs': [3, 5], 'param': 'step=1'},
        labelling={'use_extrapolated_discs': True},
        time_limits={'registration': 77, 'spine': 78, 'spinalcord': 79, 'rootlets': 80},
        rootlets={'min_cord_mm': 33, 'min_levels': 2},
        discover={'min_z_slices': 9},
        crop={'anterior_mm': 12},
    )
    register = wf.get_node('registration_wf').get_node('register_disc').interface
    select = wf.get_node('registration_wf').get_node('select_disc').inputs
    assert register.inputs.reference == 'subject'
    assert register.inputs.param == 'step=1'
    assert register.inputs.timeout == 77
    assert register.inputs.num_threads == 2
    assert tuple(select.discs) == (3, 5)
    assert select.use_extrapolated
    assert wf.get_node('discovery_wf').get_node('reorient').inputs.set_orientation == 'LPI'
    assert wf.get_node('discovery_wf').get_node('field_of_view').inputs.min_z_slices == 9
    assert (
        wf.get_node('discovery_wf').get_node('field_of_view').inputs.margins['anterior_mm'] == 12
    )
    assert wf.get_node('segmentation_wf').get_node('spine').inputs.timeout == 78
    assert wf.get_node('segmentation_wf').get_node('segment').inputs.timeout == 79
    assert wf.get_node('rootlets_wf').get_node('rootlets').inputs.timeout == 80
    assert wf.get_node('rootlets_wf').get_node('eligibility').inputs.min_cord_mm == 33
    assert wf.get_node('rootlets_wf').get_node('eligibility').inputs.min_levels == 2


def test_template_of_the_policy_must_be_that_of_the_toolbox(tmp_path):
    with pytest.raises(PolicyError, match=r'registration\.template names'):
        build(tmp_path, registration={'template': str(tmp_path)})
    wf = build(
        tmp_path,
        toolbox=dataclasses.replace(TOOLBOX, template=tmp_path),
        registration={'template': str(tmp_path)},
    )
    assert wf.get_node('registration_wf').get_node('template').inputs.template == str(tmp_path)


def test_no_template_is_said(tmp_path):
    with pytest.raises(ToolboxError, match='--template'):
        build(tmp_path, toolbox=Toolbox.example('embedded'))


def test_unknown_given_product(tmp_path):
    with pytest.raises(InputImageError, match='vertebral_levels can not be given'):
        build(tmp_path, precomputed=['vertebral_levels'])


@pytest.mark.parametrize(
    ('factory', 'extra'),
    [
        (init_anat_cordref_wf, {'modality': 'T2w'}),
        (init_discovery_wf, {'cord_given': True}),
        (init_segmentation_wf, {'modality': 'T2w'}),
        (init_rootlets_wf, {'modality': 'T2w'}),
        (init_registration_wf, {'modality': 'T2w'}),
        (init_template_maps_wf, {}),
    ],
)
def test_docstrings_name_the_nodes_fields(factory, extra):
    """Sections Inputs and Outputs list just the fields of inputnode and outputnode."""
    wf = factory(policy=Policy(), toolbox=TOOLBOX, omp_nthreads=1, **extra)
    for section, node in (('Inputs', 'inputnode'), ('Outputs', 'outputnode')):
        documented = _fields_of(inspect.getdoc(factory), section)
        assert documented == set(wf.get_node(node).outputs.get()), section


def _fields_of(docstring, section):
    """Names listed in a section of a numpydoc docstring."""
    lines = docstring.split(f'\n{section}\n{"-" * len(section)}\n')[1].splitlines()
    found = set()
    for line, following in itertools.zip_longest(lines, lines[1:], fillvalue=''):
        if following.startswith('---'):
            break
        if line[:1].isalpha():
            found |= {name.strip() for name in line.split(',')}
    return found


def test_a_map_of_the_template_is_not_worth_a_subject():
    maps = init_template_maps_wf(policy=policy_from_dict({}), toolbox=TOOLBOX, omp_nthreads=1)
    assert all(maps.get_node(f'warp_{name}').inputs.tolerate_failure for name in MAPS)


def test_single_subject_and_many(tmp_path):
    anat = tmp_path / 'sub-01_T2w.nii.gz'
    anat.touch()
    common = {
        'policy': Policy(),
        'toolbox': TOOLBOX,
        'omp_nthreads': 1,
        'derivatives_dir': tmp_path,
        'provenance': {},
    }
    one = {'anat': anat, 'modality': 'T2w', 'entities': {'sub': '01', 'acq': 'sag'}}
    wf = init_single_subject_wf(**one, **common)
    assert wf.name == 'sub_01_acq_sag_T2w_wf'
    assert wf.get_node('save') is not None
    two = {**one, 'entities': {'sub': '02'}}
    many = init_spinalprep_wf(subjects=[one, two], **common)
    assert len(generate_expanded_graph(many._create_flat_graph())) == 2 * len(
        generate_expanded_graph(wf._create_flat_graph())
    )
