# SPDX-License-Identifier: Apache-2.0
"""What to cite for what was run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SCT = {
    'text': 'De Leener et al. (2017). SCT: Spinal Cord Toolbox, an open-source software for '
    'processing spinal cord MRI data. NeuroImage 145.',
    'doi': '10.1016/j.neuroimage.2016.10.009',
}
PAM50 = {
    'text': 'De Leener et al. (2018). PAM50: unbiased multimodal template of the brainstem and '
    'spinal cord aligned with the ICBM152 space. NeuroImage 165.',
    'doi': '10.1016/j.neuroimage.2017.10.041',
}
CORD = {
    'text': 'Bédard et al. (2025). Towards contrast-agnostic soft segmentation of the spinal '
    'cord. Medical Image Analysis 101.',
    'doi': '10.1016/j.media.2025.103473',
}
SPINE = {
    'text': 'Warszawer et al. (2025). TotalSpineSeg: robust spine segmentation with '
    'landmark-based labeling in MRI.',
    'doi': '',
}
ROOTLETS = {
    'text': 'Valošek et al. (2024). Automatic segmentation of the spinal cord nerve rootlets. '
    'Imaging Neuroscience 2.',
    'doi': '10.1162/imag_a_00218',
}
NIPYPE = {
    'text': 'Gorgolewski et al. (2011). Nipype: a flexible, lightweight and extensible '
    'neuroimaging data processing framework in Python. Frontiers in Neuroinformatics 5.',
    'doi': '10.3389/fninf.2011.00013',
}


def references(record: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the run of a subject rests on.

    Parameters
    ----------
    record : mapping

    Returns
    -------
    list of dict
        ``text`` and ``doi``.
    """
    found = [NIPYPE]
    if record['versions'].get('sct_kind') == 'embedded':
        return found
    tasks = {
        word
        for command in record['commands']
        if command.get('command') == 'sct_deepseg'
        for word in command.get('argv', ())
    }
    found.append(SCT)
    for word, item in (('spinalcord', CORD), ('spine', SPINE), ('rootlet', ROOTLETS)):
        if any(word in task for task in tasks):
            found.append(item)
    if record['registration'].get('path'):
        found.append(PAM50)
    return found
