# SPDX-License-Identifier: Apache-2.0
"""What the JSON files beside the derivatives say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spinalprep.products import PRECOMPUTABLE, Product

BIDS_VERSION = '1.10.0'


COLUMNS = {
    'slice': ('Slice of the cord reference along inferior-superior, from 0 at the bottom', None),
    'level': ('Vertebral level', None),
    'spinal_level': ('Spinal level', None),
    'slices': ('Number of slices', None),
    'area_mm2': ('Cross-sectional area, perpendicular to the cord', 'mm^2'),
    'angle_ap_deg': ('Tilt of the cord about the front-back axis', 'degree'),
    'angle_rl_deg': ('Tilt of the cord about the right-left axis', 'degree'),
    'diameter_ap_mm': ('Diameter, front to back', 'mm'),
    'diameter_rl_mm': ('Diameter, right to left', 'mm'),
    'eccentricity': ('Eccentricity of the ellipse with the same second moments', None),
    'orientation_deg': ('Angle of the long axis to right-left', 'degree'),
    'solidity': ('Area over that of the convex hull', None),
    'length_mm': ('Length of cord', 'mm'),
}
"""Column of a table to its description and unit."""


def provenance(
    *,
    source: str,
    toolbox: Mapping[str, Any],
    template: Mapping[str, Any],
    policy_digest: str,
    precomputed: Mapping[str, str],
) -> dict[str, Any]:
    """Facts that all sidecars of one anatomy share.

    Parameters
    ----------
    source : str
        BIDS URI of the chosen anatomy.
    toolbox : mapping
        ``kind``, ``version`` and ``models`` of SCT, and its ``container`` if it has one.
    template : mapping
        ``name`` and ``identity`` of the template.
    policy_digest : str
        Short hash of the policy.
    precomputed : mapping
        Product to the path of the file that was given for it.

    Returns
    -------
    dict
    """
    return {
        'source': source,
        'toolbox': dict(toolbox),
        'template': dict(template),
        'policy_digest': policy_digest,
        'precomputed': dict(precomputed),
    }


def generated_by(toolbox: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ``GeneratedBy`` of BIDS: this software and the toolbox under it."""
    from spinalprep import __version__

    described = {'Name': 'Spinal Cord Toolbox', 'Version': toolbox.get('version', 'unknown')}
    if toolbox.get('container'):
        described['Container'] = dict(toolbox['container'])
    if toolbox.get('kind') == 'embedded':
        described = {
            'Name': 'embedded stand-in for the Spinal Cord Toolbox',
            'Version': toolbox.get('version', 'unknown'),
            'Description': 'For demonstrations and tests only: not for study results.',
        }
    return [{'Name': 'spinalprep', 'Version': __version__}, described]


def sidecar(
    item: Product,
    facts: Mapping[str, Any],
    *,
    labels: Mapping[int, str] | None,
    cordref: str | None,
    path: str | None,
    verdict: str | None,
    reasons: Sequence[str],
) -> dict[str, Any]:
    """Content of a product's sidecar.

    Parameters
    ----------
    item : Product
    facts : mapping
        As `provenance` makes them.
    labels : mapping or None
        Meaning of the product's values.
    cordref : str or None
        BIDS URI of the cord reference, None if there is none.
    path : str or None
        Registration path that this product comes from, where it comes from one.
    verdict, reasons
        Of the anatomy; derivatives with the verdict FAIL are kept and marked by it.

    Returns
    -------
    dict
    """
    given = facts['precomputed'].get(item.name) if item.name in PRECOMPUTABLE else None
    toolbox = facts['toolbox']
    template = facts['template']
    content: dict[str, Any] = {
        'Description': item.description,
        'Sources': [facts['source']] if item.name == 'cordref' or not cordref else [cordref],
    }
    if item.kind == 'table':
        for name in item.columns:
            described, unit = COLUMNS[name]
            content[name] = {'Description': described} | ({'Units': unit} if unit else {})
    else:
        content['SpatialReference'] = (
            cordref if item.space == 'cordref' else template.get('identity')
        )
    if given:
        content['Sources'] = [*content['Sources'], str(given)]
    if item.kind == 'image':
        content['SkullStripped'] = False
    if labels:
        content['Labels'] = {str(value): name for value, name in labels.items()}
    if item.kind == 'warp':
        content['Units'] = 'mm'
        content['Convention'] = 'ITK displacement field, LPS; undefined where |v| >= 1e4'
    if path:
        content['RegistrationPath'] = path
    content |= {
        'Origin': 'given' if given else 'computed',
        'Verdict': verdict,
        'VerdictReasons': list(reasons),
        'GeneratedBy': generated_by(toolbox),
        'Models': toolbox.get('models') or {},
        'Template': dict(template),
        'PolicyDigest': facts['policy_digest'],
        'EmbeddedToolbox': toolbox.get('kind') == 'embedded',
    }
    return content


def dataset_description(
    dataset: str, toolbox: Mapping[str, Any], bids_dir: Path
) -> dict[str, Any]:
    """The derivatives' ``dataset_description.json``."""
    return {
        'Name': f'Anatomical cord reference of {dataset}',
        'BIDSVersion': BIDS_VERSION,
        'DatasetType': 'derivative',
        'GeneratedBy': generated_by(toolbox),
        'SourceDatasets': [{'URL': bids_dir.resolve().as_uri()}],
        'DatasetLinks': {'raw': bids_dir.resolve().as_uri()},
    }


BIDSIGNORE = '*.html\nfigures/\nlogs/\nwork/\nxfm/\nanat/\n*.tsv\n'
"""The seed's file names are not BIDS names; a validator is told so."""
