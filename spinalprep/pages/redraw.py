# SPDX-License-Identifier: Apache-2.0
"""Draw the figures of a finished subject again, from the products that are on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spinalprep import atomic
from spinalprep.layout import Layout
from spinalprep.policy import Policy, policy_from_dict
from spinalprep.sidecars import origins
from spinalprep.toolbox.template import CONTRAST_IDS, PART_IDS, template_files, template_identity

NOT_KEPT = 'what it shows, the cord found in the whole image, is not among the products'


def redraw(layout: Layout, record: Mapping[str, Any], template: Path | None) -> Iterator[str]:
    """Draw what can be drawn, in place; other figures stay as they are.

    Parameters
    ----------
    layout : Layout
    record : mapping
        Of a subject that completed.
    template : Path, optional
        Folder of a template; used if it is the one that the run had.

    Yields
    ------
    str
        For each figure that was not drawn: which, and why.
    """
    # a figure is drawn in a folder of its own, where relative paths lead elsewhere
    root = layout.derivatives.absolute()
    template = template and template.absolute()
    products = {name: root / path for name, path in record['products'].items()}
    policy = policy_from_dict(record['policy']['values'], source='policy of the record')
    same = template is not None and _same(template, record)
    with tempfile.TemporaryDirectory(prefix='spinalprep_') as folder:
        for name, paths in record['figures'].items():
            if name == 'figure_crop_box':
                yield f'{name} stays as it is: {NOT_KEPT}'
                continue
            if name == 'figure_overlay' and not same:
                yield f'{name} stays as it is: it needs the template of the run (--template)'
                continue
            scratch = Path(folder) / name
            scratch.mkdir()
            try:
                interface = _interface(name, record, products, policy)
                for field, value in _template_inputs(name, record, template, same).items():
                    setattr(interface.inputs, field, value)
                for field, value in _used(name, record, products, scratch).items():
                    setattr(interface.inputs, field, value)
                drawn = interface.run(cwd=str(scratch)).outputs.out_file
                atomic.copy(drawn, root / paths[-1])
            except Exception as error:  # noqa: BLE001 - the figure that is there stays
                yield f'{name} stays as it is: {type(error).__name__}: {error}'


def _same(template: Path, record: Mapping[str, Any]) -> bool:
    return template_identity(template) == record['versions']['template']


def _interface(
    name: str, record: Mapping[str, Any], products: Mapping[str, Path], policy: Policy
) -> Any:
    """Interface that draws a figure, with the products that it shows."""
    from spinalprep.interfaces import reports

    made = {
        'figure_cord_mask': lambda: reports.CordMaskReport(
            area_mm2=list(policy.segmentation.area_mm2)
        ),
        'figure_spine': reports.SpineReport,
        'figure_rootlets': reports.RootletsReport,
        'figure_overlay': lambda: reports.OverlayReport(bounds=policy.verdict),
    }[name]()
    made.inputs.anat = record['source']['path']
    made.inputs.marks = reports.marks_of(made, origins(record))
    for product, path in products.items():
        if product in made.inputs.copyable_trait_names():
            setattr(made.inputs, product, str(path))
    if name == 'figure_overlay':
        made.inputs.registration_path = record['registration']['path']
        paths = record['evidence']['registration']['paths']
        made.inputs.landmark_residuals = {
            path: found['landmark_residuals'] for path, found in paths.items()
        }
    return made


def _template_inputs(
    name: str, record: Mapping[str, Any], template: Path | None, same: bool
) -> dict[str, str]:
    if not same or name not in ('figure_rootlets', 'figure_overlay'):
        return {}
    files = template_files(template)
    if name == 'figure_rootlets':
        wanted = {'template_cord': 'cord', 'template_discs': 'disc'}
        wanted['template_rootlets'] = 'rootlets_mid'
        return {field: str(files[PART_IDS[part]]) for field, part in wanted.items()}
    contrast = {'T2w': 't2', 'T1w': 't1'}[record['source']['modality']]
    return {
        'template_image': str(files[CONTRAST_IDS[contrast]]),
        'template_cord': str(files[PART_IDS['cord']]),
    }


def _used(
    name: str, record: Mapping[str, Any], products: Mapping[str, Path], folder: Path
) -> dict[str, str]:
    """Landmarks that the paths used: those of the labels whose names the evidence has."""
    import nibabel as nb
    import numpy as np

    from spinalprep.anatomy.grids import labels_like
    from spinalprep.anatomy.labels import disc_name, spinal_level_name, whole

    wanted = {
        'figure_spine': {'disc_used': ('disc', 'disc_labels', disc_name)},
        'figure_overlay': {
            'disc_used': ('disc', 'disc_labels', disc_name),
            'rootlet_used': ('rootlet', 'rootlets_dseg', spinal_level_name),
        },
    }.get(name, {})
    found = {}
    for field, (path, product, named) in wanted.items():
        evidence = record['evidence']['registration']['paths'].get(path)
        if evidence is None or product not in products:
            continue
        image = nb.load(products[product])
        labels = whole(np.asanyarray(image.dataobj))
        used = [v for v in np.unique(labels) if v and named(int(v)) in evidence['landmarks']]
        found[field] = str(folder / f'{field}.nii.gz')
        nb.save(labels_like(np.where(np.isin(labels, used), labels, 0), image), found[field])
    return found
