# SPDX-License-Identifier: Apache-2.0
"""Finding SCT, and what it is then."""

import pickle
import sys
from dataclasses import FrozenInstanceError

import pytest

import spinalprep
from spinalprep.errors import ExitCode, ToolboxError
from spinalprep.toolbox import Toolbox, find_toolbox
from tests.toolbox.conftest import Installation, make_template


@pytest.fixture(autouse=True)
def no_sct_around(monkeypatch, tmp_path):
    monkeypatch.delenv('SCT_DIR', raising=False)
    monkeypatch.setenv('PATH', str(tmp_path / 'empty'))


def test_folder(installation):
    toolbox = find_toolbox(installation.root)
    assert (toolbox.kind, toolbox.version) == ('installed', '7.3')
    assert toolbox.argv('sct_image') == (str(installation.root / 'bin' / 'sct_image'),)
    assert toolbox.template == installation.root / 'data' / 'PAM50'
    assert toolbox.template_identity.startswith('PAM50@')
    assert toolbox.dialect.release == '7.3'
    assert not toolbox.gpu


def test_sct_dir_comes_before_path(installation, tmp_path, monkeypatch):
    other = Installation(tmp_path / 'other', '7.2')
    monkeypatch.setenv('PATH', str(other.root / 'bin'))
    assert find_toolbox().version == '7.2'
    monkeypatch.setenv('SCT_DIR', str(installation.root))
    assert find_toolbox('auto').version == '7.3'


def test_link_on_path_is_followed(installation, tmp_path, monkeypatch):
    links = tmp_path / 'links'
    links.mkdir()
    (links / 'sct_version').symlink_to(installation.root / 'bin' / 'sct_version')
    monkeypatch.setenv('PATH', str(links))
    assert find_toolbox().root == installation.root


def test_not_found_says_what_to_do():
    with pytest.raises(ToolboxError, match=r'SCT was not found.*SCT_DIR.*--sct') as caught:
        find_toolbox()
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


def test_a_wrong_sct_dir_is_not_passed_over(installation, tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(installation.root / 'bin'))
    monkeypatch.setenv('SCT_DIR', str(tmp_path / 'nowhere'))
    with pytest.raises(ToolboxError, match='nowhere'):
        find_toolbox()


def test_source_that_was_never_installed(installation):
    (installation.root / 'bin' / 'sct_version').unlink()
    with pytest.raises(ToolboxError, match=r'no bin/sct_version.*install_sct'):
        find_toolbox(installation.root)


def test_too_old(tmp_path):
    with pytest.raises(ToolboxError, match=r'SCT 5\.8 is too old'):
        find_toolbox(Installation(tmp_path / 'old', '5.8').root)


def test_template_that_is_none(installation, tmp_path):
    with pytest.raises(ToolboxError, match='no template at'):
        find_toolbox(installation.root, template=tmp_path)


def test_template_of_the_user(installation, tmp_path):
    template = make_template(tmp_path / 'mine')
    toolbox = find_toolbox(installation.root, template=template, gpu=True)
    assert toolbox.template == template
    assert toolbox.template_identity.startswith('mine@')
    assert toolbox.gpu


def test_sct_without_a_template_is_found_all_the_same(tmp_path):
    toolbox = find_toolbox(Installation(tmp_path / 'bare').root)
    assert toolbox.template_identity == ''


def test_embedded(tmp_path):
    toolbox = find_toolbox('embedded')
    assert toolbox.kind == 'embedded'
    assert toolbox.version == f'embedded-{spinalprep.__version__}'
    assert toolbox.argv('sct_image') == (
        sys.executable,
        '-m',
        'spinalprep.embedded',
        'sct_image',
    )
    assert toolbox.template is None
    assert toolbox.dialect.release == 'embedded'
    template = make_template(tmp_path / 'phantom')
    assert find_toolbox('embedded', template=template).template == template


def test_it_is_a_value(installation):
    toolbox = find_toolbox(installation.root)
    assert toolbox == find_toolbox(installation.root)
    assert hash(toolbox) == hash(find_toolbox(installation.root))
    assert pickle.loads(pickle.dumps(toolbox)) == toolbox  # noqa: S301
    with pytest.raises(FrozenInstanceError):
        toolbox.version = '8'


def test_using_it_needs_no_disk():
    toolbox = Toolbox.example('7.3')
    assert not toolbox.root.exists()
    assert toolbox.argv('sct_maths') == ('/usr/local/sct_7.3/bin/sct_maths',)
    container = Toolbox('installed', '7.3', prefix=('apptainer', 'exec', 'sct.sif'))
    assert container.argv('sct_maths') == ('apptainer', 'exec', 'sct.sif', 'sct_maths')


def test_models_are_told_apart(installation):
    before = find_toolbox(installation.root)
    assert before.model_identity('spinalcord').startswith('model_seg_sc_contrast_agnostic_nnunet@')
    assert before.model_identity('rootlets').endswith('@absent')
    installation.add_model('model_seg_sc_contrast_agnostic_nnunet', 'https://example.org/v4.zip')
    after = find_toolbox(installation.root)
    assert after.model_identity('spinalcord') != before.model_identity('spinalcord')
    assert after.model_identity('spine') == before.model_identity('spine')
    assert before.model_identity('nothing') == ''


def test_a_changed_template_is_told_apart(installation):
    before = find_toolbox(installation.root).template_identity
    (installation.root / 'data' / 'PAM50' / 'template' / 'PAM50_3.nii.gz').write_bytes(b'longer')
    assert find_toolbox(installation.root).template_identity != before
