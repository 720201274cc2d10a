# SPDX-License-Identifier: Apache-2.0
"""What the JSON files beside the derivatives say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spinalprep.products import LANDMARKS, PRECOMPUTABLE, Product, label_names, product


def _column(text: str, unit: str = '', **more: Any) -> dict[str, Any]:
    return {'Description': text} | ({'Units': unit} if unit else {}) | more


COLUMNS: dict[str, dict[str, Any]] = {
    'slice': _column('Slice of the cord reference along inferior-superior, from 0 at the bottom'),
    'level': _column(
        'Vertebral level',
        Levels={
            name: f'Vertebral level {name}'
            for name in label_names(product('vertebral_levels')).values()
        },
    ),
    'spinal_level': _column(
        'Spinal level',
        Levels={
            name: f'Spinal level {name}'
            for name in label_names(product('spinal_levels_of_template')).values()
        },
    ),
    'slices': _column('Number of slices'),
    'area_mm2': _column('Cross-sectional area, perpendicular to the cord', 'mm^2'),
    'angle_ap_deg': _column('Tilt of the cord about the front-back axis', 'degree'),
    'angle_rl_deg': _column('Tilt of the cord about the right-left axis', 'degree'),
    'diameter_ap_mm': _column('Diameter, front to back', 'mm'),
    'diameter_rl_mm': _column('Diameter, right to left', 'mm'),
    'eccentricity': _column('Eccentricity of the ellipse with the same second moments'),
    'orientation_deg': _column('Angle of the long axis to right-left', 'degree'),
    'solidity': _column('Area over that of the convex hull'),
    'length_mm': _column('Length of cord', 'mm'),
    'index': _column('Value in the image', Format='integer'),
    'name': _column('Structure that has this value'),
    'color': _column("Colour in this software's figures, hexadecimal"),
}
"""Column of a table to its description, as BIDS asks for it."""


def provenance(
    *,
    source: str,
    toolbox: Mapping[str, Any],
    template: Mapping[str, Any],
    policy_digest: str,
    precomputed: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """Facts that all sidecars of one anatomy share.

    Parameters
    ----------
    source : str
        BIDS URI of the chosen anatomy.
    toolbox : mapping
        ``kind``, ``version`` and ``models`` of SCT, and its ``container`` if it has one.
    template : mapping
        ``name`` and ``identity`` of the template, and the URI of its image as ``reference``.
    policy_digest : str
        Short hash of the policy.
    precomputed : mapping
        Product to the file that was used instead of computing it: ``path``, ``origin``, ``uri``.

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


def origins(facts: Mapping[str, Any]) -> dict[str, str]:
    """Product → origin of the file that was used instead of computing it, by facts or record.

    Examples
    --------
    >>> origins({'precomputed': {'cord_dseg': {'path': '/a', 'origin': 'manual', 'uri': '/a'}}})
    {'cord_dseg': 'manual'}
    """
    return {name: item['origin'] for name, item in facts.get('precomputed', {}).items()}


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
    written: Mapping[str, str],
    path: str | None,
    command: str | None,
    verdict: str | None,
    reasons: Sequence[str],
) -> dict[str, Any]:
    """Content of a product's sidecar.

    Parameters
    ----------
    item : Product
    facts : mapping
        As `provenance` makes them.
    written : mapping
        Product to BIDS URI, of all that there is of this anatomy.
    path : str or None
        Registration path that this product comes from, where it comes from one.
    command : str or None
        Command line of SCT that made it, or what it was computed from.
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
        'Sources': _sources(item, facts, written, path, given),
    }
    for name in item.columns:
        content[name] = COLUMNS[name]
    if not item.columns:
        content['SpatialReference'] = _reference(item, facts, written)
    origin = given['origin'] if given else 'computed'
    if item.kind in ('image', 'warp'):
        content['SkullStripped'] = False
    if item.kind == 'mask':
        content['Type'] = 'ROI'
    if item.kind in ('mask', 'labels', 'points'):
        labels = label_names(item) or {}
        content['Labels'] = {str(value): name for value, name in labels.items()}
        if origin in ('computed', 'manual'):  # who made another one is not known
            content['Manual'] = origin == 'manual'
    if item.kind == 'warp':
        content['Units'] = 'mm'
        content['Convention'] = 'ITK displacement field, LPS; undefined where |v| >= 1e4'
    if path:
        content['RegistrationPath'] = path
    if command and not given:
        content['Command'] = command
    content |= {
        'Origin': origin,
        'Verdict': verdict,
        'VerdictReasons': list(reasons),
        'GeneratedBy': generated_by(toolbox),
        'Models': toolbox.get('models') or {},
        'Template': dict(template),
        'PolicyDigest': facts['policy_digest'],
        'EmbeddedToolbox': toolbox.get('kind') == 'embedded',
    }
    return content


def _sources(
    item: Product,
    facts: Mapping[str, Any],
    written: Mapping[str, str],
    path: str | None,
    given: Mapping[str, str] | None,
) -> list[str]:
    """URIs of what a product was made from, as far as there is of it."""
    known = {**written, 'anat': facts['source'], 'template': facts['template'].get('reference')}
    if given:
        return [known.get('cordref', known['anat']), given['uri']]
    if path:
        known['{path}'] = written.get(LANDMARKS[path])
    found = [known[name] for name in item.sources if known.get(name)]
    return found or [known.get('cordref', known['anat'])]


def _reference(item: Product, facts: Mapping[str, Any], written: Mapping[str, str]) -> str:
    """URI of the image whose space a product lies in."""
    if item.space == 'template':
        return facts['template'].get('reference') or facts['template']['identity']
    return facts['source'] if item.name == 'cordref' else written.get('cordref', facts['source'])
