# SPDX-License-Identifier: Apache-2.0
"""TemplateFlow's client finds the template through links, without the network."""

import json
import os
import socket
import subprocess
import sys

import nibabel as nb
import numpy as np
import pytest

from spinalprep.embedded.phantom import write_template
from spinalprep.toolbox.template import atlas_files, template_files
from spinalprep.toolbox.templateflow import CLIENT_OPTIONS, link_template

# what PAM50 lists besides what the phantom's template has
MORE = {2: 't2s', 4: 'wm', 5: 'gm', 6: 'csf'}


@pytest.fixture(scope='module')
def pam50(tmp_path_factory):
    """A folder with all that PAM50 lists, from the phantom's template."""
    folder = write_template(tmp_path_factory.mktemp('PAM50'), voxel_mm=(2.0, 2.0, 4.0))
    listing = folder / 'template' / 'info_label.txt'
    lines = [f'{number}, {name}, phantom_{name}.nii.gz' for number, name in MORE.items()]
    listing.write_text(listing.read_text() + '\n'.join(lines) + '\n')
    image = nb.Nifti1Image(np.ones((2, 2, 2), 'f4'), np.eye(4))
    for name in MORE.values():
        nb.save(image, folder / 'template' / f'phantom_{name}.nii.gz')
    return folder


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError('the network was asked')

    monkeypatch.setattr(socket, 'socket', refuse)
    monkeypatch.setattr(socket, 'create_connection', refuse)
    monkeypatch.setattr(socket, 'getaddrinfo', refuse)


def test_queries_return_the_files_of_the_template(pam50, tmp_path, offline):
    from templateflow.client import TemplateFlowClient

    root = link_template(pam50, tmp_path / 'root')
    client = TemplateFlowClient(root=root, **CLIENT_OPTIONS)
    files = template_files(pam50)
    queries = {
        0: {'suffix': 'T1w'},
        1: {'suffix': 'T2w'},
        2: {'suffix': 'T2star'},
        3: {'label': 'SC', 'suffix': 'mask'},
        4: {'label': 'WM', 'suffix': 'probseg'},
        5: {'label': 'GM', 'suffix': 'probseg'},
        6: {'label': 'CSF', 'suffix': 'probseg'},
        7: {'segmentation': 'vertebrae', 'suffix': 'dseg', 'extension': '.nii.gz'},
        10: {'segmentation': 'discs', 'suffix': 'dseg', 'extension': '.nii.gz'},
        15: {'segmentation': 'spinallevels', 'suffix': 'dseg', 'extension': '.nii.gz'},
        16: {'segmentation': 'rootlets', 'suffix': 'dseg', 'extension': '.nii.gz'},
    }
    for number, query in queries.items():
        found = client.get('PAM50', resolution=1, **query)
        assert found.is_symlink()
        assert found.resolve() == files[number].resolve(), query
    horn = client.get('PAM50', atlas='PAM50', label='GMLeftDorsalHorn')
    assert horn.resolve() == atlas_files(pam50)['GM left dorsal horn'].resolve()
    assert len(client.get('PAM50', atlas='PAM50', suffix='probseg')) == 6
    table = client.get('PAM50', segmentation='spinallevels', extension='.tsv').read_text()
    assert table.splitlines()[:2] == ['index\tname', '1\tC1']
    assert '9\tT1' in table.splitlines()
    assert client.get('PAM50', suffix='FLAIR') == []
    assert client.templates() == ['PAM50']
    assert client.get_metadata('PAM50')['Identifier'] == 'PAM50'
    assert client.get_citations('PAM50')[0].endswith('10.1016/j.neuroimage.2017.10.041')


def test_description_states_the_grid(pam50, tmp_path):
    root = link_template(pam50, tmp_path)
    content = json.loads((root / 'tpl-PAM50' / 'template_description.json').read_text())
    cord = nb.load(template_files(pam50)[3])
    assert content['res']['01']['shape'] == list(cord.shape)
    assert content['res']['01']['zooms'] == pytest.approx(cord.header.get_zooms(), abs=1e-3)
    assert {'Identifier', 'Name', 'License', 'Authors', 'ReferencesAndLinks'} <= content.keys()


def test_links_are_never_copies_and_follow_the_template(pam50, tmp_path):
    root = link_template(pam50, tmp_path)
    folder = root / 'tpl-PAM50'
    images = list(folder.glob('*.nii.gz'))
    assert all(path.is_symlink() for path in images)
    assert len(images) == 17
    before = {path.name: os.lstat(path).st_ino for path in images}
    link_template(pam50, tmp_path)
    assert {path.name: os.lstat(path).st_ino for path in folder.glob('*.nii.gz')} == before
    # another template that has less takes the place of the first
    small = tmp_path / 'small'
    (small / 'template').mkdir(parents=True)
    (small / 'template' / 'info_label.txt').write_text(
        '3, cord, c.nii.gz\n5, grey, empty.nii.gz\n'
    )
    (small / 'template' / 'empty.nii.gz').touch()
    nb.save(nb.Nifti1Image(np.ones((2, 2, 2), 'u1'), np.eye(4)), small / 'template' / 'c.nii.gz')
    link_template(small, tmp_path)
    assert [path.name for path in folder.glob('*.nii.gz')] == [
        'tpl-PAM50_res-01_label-SC_mask.nii.gz'
    ]
    assert (folder / 'tpl-PAM50_res-01_label-SC_mask.nii.gz').resolve().parent.parent == small


def test_import_asks_no_network_and_no_client():
    code = (
        'import socket, sys\n'
        'def refuse(*a, **k): raise SystemExit("the network was asked")\n'
        'socket.socket = socket.create_connection = socket.getaddrinfo = refuse\n'
        'import spinalprep.toolbox.templateflow\n'
        'assert "templateflow" not in sys.modules\n'
        'import templateflow.client\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


def test_the_real_labels_of_pam50_are_found(real_data, tmp_path, offline):
    """Full-size label maps, listed as SCT lists them."""
    from templateflow.client import TemplateFlowClient

    names = {3: 'cord', 6: 'csf', 7: 'levels', 10: 'label_disc', 16: 'rootlets'}
    folder = tmp_path / 'PAM50' / 'template'
    folder.mkdir(parents=True)
    source = real_data / 'pam50_labels' / 'template'
    for name in names.values():
        (folder / f'PAM50_{name}.nii.gz').symlink_to(source / f'PAM50_{name}.nii.gz')
    lines = [f'{number}, {name}, PAM50_{name}.nii.gz' for number, name in names.items()]
    (folder / 'info_label.txt').write_text('\n'.join(lines) + '\n')
    client = TemplateFlowClient(
        root=link_template(folder.parent, tmp_path / 'r'), **CLIENT_OPTIONS
    )
    cord = client.get('PAM50', label='SC', suffix='mask')
    assert nb.load(cord).shape == (141, 141, 991)
    assert cord.resolve() == (source / 'PAM50_cord.nii.gz').resolve()
