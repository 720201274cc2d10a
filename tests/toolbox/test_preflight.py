# SPDX-License-Identifier: Apache-2.0
"""Checks before anything runs; each failure names the command that mends it."""

import ast
from dataclasses import replace

import pytest

from spinalprep.errors import ExitCode, ToolboxError
from spinalprep.toolbox import Toolbox, check_toolbox, find_toolbox, require
from spinalprep.toolbox.models import expected_urls, model_state
from spinalprep.toolbox.template import atlas_files, spinal_levels_file, template_files
from tests.toolbox.conftest import CORD_URL, SPINE_URLS, Installation, make_template

CORD = 'model_seg_sc_contrast_agnostic_nnunet'
SPINE = 'model_seg_spine_contrast_agnostic'


def failed(checks) -> dict:
    return {check.name: check for check in checks if not check.ok}


def state(installation, task):
    toolbox = find_toolbox(installation.root)
    return model_state(toolbox.root, toolbox.dialect, task).state


def test_all_is_well(installation):
    toolbox = find_toolbox(installation.root)
    checks = require(
        toolbox, {'spinalcord', 'spine', 'registration', 'lrootlet'}, contrasts={'t1', 't2'}
    )
    assert all(check.ok and check.detail and not check.remedy for check in checks)
    names = [check.name for check in checks]
    assert names[0] == 'SCT'
    assert 'network for spine' in names
    assert 'template' in names
    assert names[-1] == 'temp folder'


def test_a_model_that_is_missing(installation):
    toolbox = find_toolbox(installation.root)
    check = failed(check_toolbox(toolbox, {'rootlets'}))['network for rootlets']
    assert check.detail.startswith('absent')
    assert f'{installation.root}/bin/sct_deepseg rootlets -install' in check.remedy


def test_an_empty_folder_is_no_model(installation):
    # What a download that failed leaves behind.
    installation.add_model('model_seg_spinal_rootlets_nnunet', 'https://x', weights=False)
    assert state(installation, 'rootlets') == 'absent'


def test_mending_in_the_words_of_the_old_release(tmp_path):
    toolbox = find_toolbox(Installation(tmp_path / 'sct', '6.5').root)
    check = failed(check_toolbox(toolbox, {'rootlets'}))['network for rootlets']
    assert 'sct_deepseg -install-task seg_spinal_rootlets_t2w' in check.remedy


def test_an_outdated_model_is_refused(installation):
    installation.add_model(CORD, 'https://example.org/cord_v2.zip')
    check = failed(check_toolbox(find_toolbox(installation.root), {'spinalcord'}))
    detail = check['network for spinalcord'].detail
    assert detail.startswith('outdated')
    assert 'cord_v2.zip' in detail
    assert CORD_URL in detail
    assert 'delete' in detail
    with pytest.raises(ToolboxError, match='sct_deepseg spinalcord -install') as caught:
        require(find_toolbox(installation.root), {'spinalcord'})
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


@pytest.mark.parametrize(
    ('urls', 'custom', 'expected'),
    [
        (CORD_URL, False, 'current'),
        ('https://example.org/mirror/cord_v3.zip', False, 'current'),
        ('https://example.org/cord_v2.zip', False, 'outdated'),
        ('https://example.org/cord_v2.zip', True, 'custom'),
        ({'seed': CORD_URL}, False, 'outdated'),
    ],
)
def test_states_of_a_model(urls, custom, expected, installation):
    installation.add_model(CORD, urls, custom=custom)
    assert state(installation, 'spinalcord') == expected


@pytest.mark.parametrize(
    ('urls', 'expected'),
    [
        (SPINE_URLS, 'current'),
        ({**SPINE_URLS, 'Dataset102_step2': 'https://example.org/old.zip'}, 'outdated'),
        ({'Dataset101_step1': SPINE_URLS['Dataset101_step1']}, 'outdated'),
        ('https://example.org/Dataset101.zip', 'outdated'),
    ],
)
def test_states_of_totalspineseg(urls, expected, installation):
    installation.add_model(SPINE, urls)
    assert state(installation, 'spine') == expected


def test_a_model_without_provenance_is_outdated(installation):
    # So SCT sees it, and it would be deleted.
    (installation.root / 'data' / 'deepseg_models' / CORD / 'source.json').unlink()
    assert state(installation, 'spinalcord') == 'outdated'


def test_a_model_of_another_name_is_outdated(installation):
    folder = installation.add_model(CORD, CORD_URL)
    text = (folder / 'source.json').read_text().replace(CORD, 'model_renamed')
    (folder / 'source.json').write_text(text)
    assert state(installation, 'spinalcord') == 'outdated'


def test_the_oldest_release_never_replaces_models(tmp_path):
    installation = Installation(tmp_path / 'sct', '6.3')
    folder = installation.add_model('model_seg_sc_contrast_agnostic_softseg_monai', 'x')
    (folder / 'source.json').unlink()
    assert state(installation, 'spinalcord') == 'unchecked'
    before = find_toolbox(installation.root).model_identity('spinalcord')
    (folder / 'fold_0' / 'checkpoint_final.pth').write_bytes(b'other weights')
    assert find_toolbox(installation.root).model_identity('spinalcord') != before


@pytest.mark.parametrize('damage', ['no code', 'no python', 'no package'])
def test_an_age_that_can_not_be_told_is_said(damage, installation):
    code = installation.root / 'spinalcordtoolbox' / 'deepseg' / 'models.py'
    if damage == 'no code':
        code.unlink()
    elif damage == 'no python':
        code.write_text('MODELS = {')
    else:
        installation.metadata.unlink()
    toolbox = find_toolbox(installation.root)
    check = next(check for check in check_toolbox(toolbox, {'spine'}) if 'network' in check.name)
    assert check.ok
    assert check.detail.startswith('unchecked')


def test_package_of_an_interpreter_elsewhere(installation, tmp_path):
    # The first line of the command names SCT's interpreter.
    elsewhere = tmp_path / 'env'
    (installation.root / 'python').rename(tmp_path / 'moved')
    (tmp_path / 'moved' / 'envs' / 'venv_sct').rename(elsewhere)
    (installation.root / 'bin' / 'sct_deepseg').write_text(f'#!{elsewhere}/bin/python\n')
    assert expected_urls(installation.root, SPINE) == SPINE_URLS


def test_what_this_release_can_not_do(tmp_path):
    toolbox = find_toolbox(Installation(tmp_path / 'sct', '6.4').root)
    lacking = failed(check_toolbox(toolbox, {'spine', 'lrootlet'}))
    assert 'needs SCT >= 6.5, this is 6.3' in lacking['spine in this release'].detail
    assert 'give disc labels' in lacking['spine in this release'].remedy
    assert 'needs SCT >= 7.0' in lacking['lrootlet in this release'].detail
    assert 'network for spine' not in lacking


@pytest.mark.parametrize(
    ('version', 'folder', 'ok'),
    [
        ('7.2', 'my_spine', False),
        ('7.2', 'my_cord', True),
        ('7.3', 'my_spine', True),
        ('7.0', 'totalspineseg', False),
        ('7.0', 'my_spine', True),
    ],
)
def test_paths_that_break_a_release(version, folder, ok, tmp_path):
    toolbox = replace(Toolbox.example(version), root=tmp_path / folder)
    checks = check_toolbox(toolbox, set())
    path = next(check for check in checks if check.name == 'installation path')
    assert path.ok is ok


def test_newer_than_known_is_said(tmp_path):
    with pytest.warns(UserWarning, match='newer'):
        toolbox = find_toolbox(Installation(tmp_path / 'sct', '9.1').root)
    with pytest.warns(UserWarning, match='newer'):
        checks = check_toolbox(toolbox, {'spinalcord'})
    assert checks[0].ok
    assert 'newer than the newest release known here' in checks[0].detail


def test_template_without_its_files(installation):
    (installation.root / 'data' / 'PAM50' / 'template' / 'PAM50_17.nii.gz').unlink()
    checks = check_toolbox(find_toolbox(installation.root), {'registration'})
    check = failed(checks)['template']
    assert 'PAM50_17.nii.gz' in check.detail
    assert 'sct_download_data -d PAM50' in check.remedy


def test_template_without_an_id(tmp_path):
    toolbox = find_toolbox('embedded', template=make_template(tmp_path / 't', (1, 3, 10)))
    assert not failed(check_toolbox(toolbox, {'registration'}, contrasts={'t2'}))
    check = failed(check_toolbox(toolbox, {'registration'}, contrasts={'t1'}))['template']
    assert 't1 image (id 0)' in check.detail
    assert '--template' in check.remedy
    check = failed(check_toolbox(toolbox, {'registration', 'lrootlet'}))['template']
    assert 'rootlets (id 16)' in check.detail


def test_embedded_has_no_default_template():
    check = failed(check_toolbox(find_toolbox('embedded'), {'registration', 'spine'}))
    assert list(check) == ['template']


def test_a_list_that_can_not_be_read(tmp_path):
    template = make_template(tmp_path / 't')
    (template / 'template' / 'info_label.txt').write_text('3 cord\n')
    with pytest.raises(ToolboxError, match='line 1'):
        template_files(template)


@pytest.mark.parametrize(
    ('folder', 'read'), [('template', template_files), ('atlas', atlas_files)]
)
def test_a_list_in_another_encoding(tmp_path, folder, read):
    (tmp_path / folder).mkdir()
    text = '# Keyword=IndivLabels\n3, moelle épinière, cord.nii.gz\n'
    (tmp_path / folder / 'info_label.txt').write_bytes(text.encode('latin-1'))
    with pytest.raises(ToolboxError, match=r'info_label\.txt, line 2: not UTF-8; save the list'):
        read(tmp_path)


def test_temp_folder(installation, monkeypatch, tmp_path):
    toolbox = find_toolbox(installation.root)
    monkeypatch.setenv('TMPDIR', str(tmp_path / 'nowhere'))
    check = failed(check_toolbox(toolbox, set()))['temp folder']
    assert 'nowhere can not be written' in check.detail
    assert 'TMPDIR' in check.remedy
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    monkeypatch.setattr('spinalprep.toolbox.preflight.TEMP_SPACE_GB', 1e9)
    assert 'free' in failed(check_toolbox(toolbox, set()))['temp folder'].detail


def test_unknown_needs_are_an_error_of_ours():
    with pytest.raises(ValueError, match='unknown needs: brain'):
        check_toolbox(Toolbox.example('7.3'), {'brain'})


def test_all_failures_are_told_at_once(tmp_path):
    toolbox = find_toolbox(Installation(tmp_path / 'sct').root)
    with pytest.raises(ToolboxError) as caught:
        require(toolbox, {'spinalcord', 'spine', 'registration'})
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all('To mend it: ' in line for line in lines)


def test_the_fake_code_is_python():
    from tests.toolbox.conftest import MODELS

    ast.parse(MODELS)


@pytest.mark.parametrize(
    ('lines', 'expected'),
    [
        # PAM50 of 2019, of 2023 and later, and before there were any
        (['14, point-wise spinal level labels, PAM50_label_spinal_levels.nii.gz'], None),
        (
            [
                '14, point-wise spinal level labels, PAM50_spinal_midpoint.nii.gz',
                '15, spinal cord mask with discrete spinal levels, PAM50_spinal_levels.nii.gz',
            ],
            'PAM50_spinal_levels.nii.gz',
        ),
        (['13, centerline, PAM50_centerline.nii.gz'], None),
    ],
)
def test_spinal_levels_are_known_by_their_name(tmp_path, lines, expected):
    folder = tmp_path / 'template'
    folder.mkdir()
    (folder / 'info_label.txt').write_text('\n'.join(lines) + '\n')
    found = spinal_levels_file(template_files(tmp_path))
    assert (found and found.name) == expected


def test_an_atlas_lists_files_and_groups_of_them(tmp_path):
    folder = tmp_path / 'atlas'
    folder.mkdir()
    assert atlas_files(tmp_path) == {}
    (folder / 'info_label.txt').write_text(
        '# White matter atlas\n# Keyword=IndivLabels (Please DO NOT change this line)\n'
        '12, WM left spinal lemniscus (spinothalamic, spinoreticular), PAM50_atlas_12.nii.gz\n'
        '34, GM left dorsal horn, PAM50_atlas_34.nii.gz\n\n'
        '# Keyword=CombinedLabels\n52, gray matter, 30:35\n'
        '# Keyword=MAPLabels\nwhite matter, 0:29\n'
    )
    assert {name: path.name for name, path in atlas_files(tmp_path).items()} == {
        'WM left spinal lemniscus (spinothalamic, spinoreticular)': 'PAM50_atlas_12.nii.gz',
        'GM left dorsal horn': 'PAM50_atlas_34.nii.gz',
    }
    (folder / 'info_label.txt').write_text('34 GM left dorsal horn\n')
    with pytest.raises(ToolboxError, match=r'atlas.info_label\.txt, line 1'):
        atlas_files(tmp_path)
