# SPDX-License-Identifier: Apache-2.0
"""An SCT installation made of the few files that are looked at."""

import json
from pathlib import Path

import pytest

CORD_URL = 'https://example.org/cord_v3.zip'
SPINE_URLS = {
    'Dataset101_step1': 'https://example.org/Dataset101.zip',
    'Dataset102_step2': 'https://example.org/Dataset102.zip',
}

# As in SCT: a dictionary in the code, in which one address is computed.
MODELS = f"""
from importlib.metadata import metadata
raise RuntimeError('this must never be imported')
MODELS = {{
    "model_seg_sc_contrast_agnostic_nnunet": {{
        "url": [
            "{CORD_URL}",
            "https://example.org/mirror/cord_v3.zip",
        ],
        "default": True,
    }},
    "model_seg_spine_contrast_agnostic": {{
        "url": dict([meta.split(', ') for meta in metadata('totalspineseg').get_all('Project-URL')
                     if meta.startswith('Dataset')]),
    }},
}}
TASKS = {{"spinalcord": {{"url": "https://example.org/other"}}}}
"""

METADATA = (
    'Metadata-Version: 2.1\nName: totalspineseg\nProject-URL: homepage, https://example.org\n'
    + ''.join(f'Project-URL: {name}, {url}\n' for name, url in SPINE_URLS.items())
    + '\nText with Project-URL: Dataset103, https://example.org/no\n'
)


class Installation:
    """A fake installation, to be damaged by tests."""

    def __init__(self, root: Path, version: str = '7.3'):
        self.root = root
        (root / 'bin').mkdir(parents=True)
        (root / 'bin' / 'sct_version').write_text('#!/bin/sh\n')
        (root / 'bin' / 'sct_version').chmod(0o755)
        code = root / 'spinalcordtoolbox' / 'deepseg'
        code.mkdir(parents=True)
        (root / 'spinalcordtoolbox' / 'version.txt').write_text(f'{version}\n')
        (code / 'models.py').write_text(MODELS)
        site = root / 'python' / 'envs' / 'venv_sct' / 'lib' / 'python3.10' / 'site-packages'
        package = site / 'totalspineseg-20251124.dist-info'
        package.mkdir(parents=True)
        (package / 'METADATA').write_text(METADATA)
        self.metadata = package / 'METADATA'

    def add_model(self, name: str, urls, *, custom: bool = False, weights: bool = True) -> Path:
        folder = self.root / 'data' / 'deepseg_models' / name
        (folder / 'fold_0').mkdir(parents=True, exist_ok=True)
        if weights:
            (folder / 'fold_0' / 'checkpoint_final.pth').write_bytes(b'weights')
        source = {'model_name': name, 'model_urls': urls, 'custom': custom}
        (folder / 'source.json').write_text(json.dumps(source))
        return folder

    def add_template(self, ids=(0, 1, 2, 3, 7, 10, 14, 16, 17)) -> Path:
        return make_template(self.root / 'data' / 'PAM50', ids)


def make_template(folder: Path, ids=(0, 1, 2, 3, 7, 10, 14, 16, 17)) -> Path:
    (folder / 'template').mkdir(parents=True)
    lines = ['# Keyword=IndivLabels', '# ID, name, file', '']
    for number in ids:
        lines.append(f'{number}, part {number}, PAM50_{number}.nii.gz')
        (folder / 'template' / f'PAM50_{number}.nii.gz').write_bytes(b'x' * (number + 1))
    (folder / 'template' / 'info_label.txt').write_text('\n'.join(lines) + '\n')
    return folder


@pytest.fixture
def installation(tmp_path) -> Installation:
    """A complete SCT 7.3."""
    made = Installation(tmp_path / 'sct')
    made.add_model('model_seg_sc_contrast_agnostic_nnunet', CORD_URL)
    made.add_model('model_seg_spine_contrast_agnostic', SPINE_URLS)
    made.add_template()
    return made
