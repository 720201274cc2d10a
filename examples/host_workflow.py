# SPDX-License-Identifier: Apache-2.0
"""A small fMRI workflow that takes the anatomical cord reference in, as you would in your own.

It runs anywhere: the subject is a phantom, SCT is the embedded stand-in. The functional run has a
signal in the cord, and the last node reads it back with the template's cord mask, so that you
see the warps at work:

    python examples/host_workflow.py --out host-demo --plugin MultiProc
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nb
import numpy as np
from nibabel.processing import resample_from_to
from nipype.interfaces.utility import Function
from nipype.pipeline import engine as pe

from spinalprep.embedded.phantom import PhantomParams, make_phantom, write_template
from spinalprep.interfaces import sct
from spinalprep.policy import load_policy
from spinalprep.toolbox import Toolbox, find_toolbox
from spinalprep.toolbox.template import CONTRAST_IDS, PART_IDS, template_files
from spinalprep.workflows.anat import init_anat_cordref_wf

VOLUMES = 16
CYCLES = 3
"""Periods of the signal in the cord over the run."""


def make_subject(folder: Path, seed: int = 7) -> tuple[Path, Path]:
    """Write an anatomy, and a functional run of 2×2×4 mm in the same space.

    Returns
    -------
    anat, func : Path
        3-D T2w image and 4-D image of `VOLUMES` volumes.
    """
    anat, func = folder / 'anat.nii.gz', folder / 'func.nii.gz'
    if anat.is_file() and func.is_file():
        return anat, func  # kept, so that a second run finds its results
    folder.mkdir(parents=True, exist_ok=True)
    phantom = make_phantom(PhantomParams(seed=seed, contrast='T2w', top_mm=20, bottom_level=10.2))
    nb.save(phantom.image, anat)
    middle = (phantom.disc_points[4] + phantom.disc_points[7]) / 2
    affine = np.diag([2.0, 2.0, 4.0, 1.0])
    affine[:3, 3] = middle - [31.0, 31.0, 30.0]
    grid = ((32, 32, 16), affine)
    still = resample_from_to(phantom.image, grid, order=1).get_fdata()
    cord = resample_from_to(phantom.label_image(phantom.cord), grid, order=1).get_fdata()
    signal = 1 + 0.1 * np.multiply.outer(cord, np.sin(2 * np.pi * CYCLES * phase()))
    noise = np.random.default_rng(seed).normal(0, 10, (*still.shape, VOLUMES))
    nb.save(nb.Nifti1Image((still[..., None] * signal + noise).astype('f4'), affine), func)
    return anat, func


def phase() -> np.ndarray:
    """Time of each volume as a fraction of the run; shape (VOLUMES,)."""
    return np.arange(VOLUMES) / VOLUMES


def mean_volume(in_file):
    """Mean over time. (Nipype functions import what they need by themselves.)"""
    from pathlib import Path

    import nibabel as nb

    image = nb.load(in_file)
    out_file = Path('mean.nii.gz').absolute()
    nb.save(nb.Nifti1Image(image.get_fdata().mean(-1).astype('f4'), image.affine), out_file)
    return str(out_file)


def mean_signal(in_file, mask_file, evidence):
    """Mean of each volume inside a mask, one number per line, unless the reference is bad."""
    from pathlib import Path

    import nibabel as nb
    import numpy as np

    # a verdict stops nothing by itself: what it means is the host's choice
    if evidence['verdict'] == 'FAIL':
        raise RuntimeError(f'the cord reference is FAIL: {"; ".join(evidence["reasons"])}')
    inside = np.asanyarray(nb.load(mask_file).dataobj) > 0
    out_file = Path('cord_signal.tsv').absolute()
    np.savetxt(out_file, nb.load(in_file).get_fdata()[inside].mean(0), '%.4f', header='cord')
    return str(out_file)


def init_host_wf(
    *, anat: Path, func: Path, toolbox: Toolbox, base_dir: Path, name: str = 'host_wf'
) -> pe.Workflow:
    """Build the host workflow: functional data into the template, template into functional data.

    The functional run lies in the space of the anatomy already; a real study would register
    the two (``sct.RegisterMultimodal``) and append that transform to ``warps``.
    """
    template = template_files(toolbox.template)
    host = pe.Workflow(name=name, base_dir=str(base_dir))

    # the guest: one anatomy in, cord reference out
    cordref_wf = init_anat_cordref_wf(
        modality='T2w', policy=load_policy(), toolbox=toolbox, omp_nthreads=1
    )
    cordref_wf.inputs.inputnode.anat = str(anat)

    average = pe.Node(
        Function(function=mean_volume, input_names=['in_file'], output_names=['out_file']),
        name='average',
    )
    average.inputs.in_file = str(func)
    func_in_template = pe.Node(
        sct.ApplyTransfo(toolbox=toolbox, dest_file=template[CONTRAST_IDS['t2']]),
        name='func_in_template',
    )
    cord_in_func = pe.Node(
        sct.ApplyTransfo(toolbox=toolbox, in_file=template[PART_IDS['cord']], interpolation='nn'),
        name='cord_in_func',
    )
    extract = pe.Node(
        Function(
            function=mean_signal,
            input_names=['in_file', 'mask_file', 'evidence'],
            output_names=['out_file'],
        ),
        name='extract',
    )
    extract.inputs.in_file = str(func)
    host.connect([
        # images of the subject go to the template by one warp …
        (average, func_in_template, [('out_file', 'in_file')]),
        (cordref_wf, func_in_template, [('outputnode.warp_cordref2template', 'warps')]),
        # … and images of the template to the subject by the other
        (average, cord_in_func, [('out_file', 'dest_file')]),
        (cordref_wf, cord_in_func, [('outputnode.warp_template2cordref', 'warps')]),
        (cord_in_func, extract, [('out_file', 'mask_file')]),
        (cordref_wf, extract, [('outputnode.evidence', 'evidence')]),
    ])  # fmt: skip
    return host


def results(host: pe.Workflow) -> dict[str, Path]:
    """Where the results of a finished run are."""
    base = Path(host.base_dir) / host.name
    return {
        'mean of the run in the template': base / 'func_in_template' / 'resampled.nii.gz',
        "template's cord in the run": base / 'cord_in_func' / 'resampled.nii.gz',
        'signal of the cord': base / 'extract' / 'cord_signal.tsv',
    }


def main(argv: list[str] | None = None) -> None:
    """Make the subject and the template, run, say where the results are."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--out', type=Path, default=Path('host-demo'), help='default: %(default)s')
    parser.add_argument('--plugin', choices=['Linear', 'MultiProc'], default='Linear')
    parser.add_argument('--nprocs', type=int, default=2, help='for MultiProc')
    arguments = parser.parse_args(argv)
    out = arguments.out.absolute()
    anat, func = make_subject(out / 'data')
    if not (out / 'template').is_dir():
        write_template(out / 'template')
    toolbox = find_toolbox('embedded', template=out / 'template')
    host = init_host_wf(anat=anat, func=func, toolbox=toolbox, base_dir=out / 'work')
    # content, not time stamps, decides whether a result can be used again
    host.config['execution'] = {
        'hash_method': 'content',
        'crashdump_dir': str(out / 'crashes'),
        'crashfile_format': 'txt',
    }
    plugin_args = {'n_procs': arguments.nprocs} if arguments.plugin == 'MultiProc' else {}
    host.run(plugin=arguments.plugin, plugin_args=plugin_args)
    for what, path in results(host).items():
        print(f'{what}: {path}')


if __name__ == '__main__':
    main()
