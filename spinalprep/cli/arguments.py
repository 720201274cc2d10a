# SPDX-License-Identifier: Apache-2.0
"""The arguments of all subcommands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from spinalprep import __version__
from spinalprep.cli.values import gigabytes, name_and_path, positive, product_and_path
from spinalprep.naming import SCHEMES
from spinalprep.products import PRECOMPUTABLE, STEP

COMMANDS = ('run', 'status', 'check', 'report', 'doctor', 'demo', 'find-cord')

_EPILOG = """\
as a BIDS App, with the derivatives directly in OUT_DIR:
  spinalprep BIDS_DIR OUT_DIR participant [--participant-label LABEL ...] [options of run]

exit codes: 0 fine (PASS or WARN); 1 a subject was rejected, failed, or has the verdict FAIL;
2 usage; 3 nothing to run; 4 SCT, a model or the template is missing, outdated or too old, Docker
or Slurm does not answer, or a file or folder can't be read or written
"""


def parser() -> argparse.ArgumentParser:
    """Parser of ``spinalprep COMMAND``."""
    top = argparse.ArgumentParser(
        prog='spinalprep',
        description='Anatomical cord reference for spinal-cord fMRI (step S2).',
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument('--version', action='version', version=f'spinalprep {__version__}')
    commands = top.add_subparsers(dest='command', required=True, metavar='COMMAND')
    _add_run(
        commands.add_parser(
            'run', help='run the step over a dataset or a scope', allow_abbrev=False
        )
    )
    _add_status(commands.add_parser('status', help='say where each subject stands'))
    _add_check(commands.add_parser('check', help='check what a run has written'))
    _add_report(commands.add_parser('report', help='make figures and pages again'))
    _add_doctor(commands.add_parser('doctor', help='say what of SCT is there and what is not'))
    _add_demo(commands.add_parser('demo', help='run the step on two computed subjects'))
    _add_find_cord(
        commands.add_parser('find-cord', help='find the cord in one image, without SCT')
    )
    return top


def bids_app_parser() -> argparse.ArgumentParser:
    """Parser of ``spinalprep BIDS_DIR OUT_DIR participant``."""
    app = argparse.ArgumentParser(
        prog='spinalprep',
        allow_abbrev=False,
        usage='spinalprep BIDS_DIR OUT_DIR participant [options]\n'
        f'       spinalprep {{{",".join(COMMANDS)}}} ... (see spinalprep --help)',
        description='Anatomical cord reference of a BIDS dataset, as a BIDS App.',
    )
    app.set_defaults(command='participant')
    app.add_argument('bids_dir', metavar='BIDS_DIR', type=Path, help='the dataset')
    app.add_argument('out', metavar='OUT_DIR', type=Path, help='folder for the derivatives')
    app.add_argument('level', metavar='participant', choices=['participant'])
    _add_labels(app)
    _add_tools(app)
    _add_resources(app)
    _add_array(app)
    return app


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument('step', choices=[STEP])
    which = run.add_mutually_exclusive_group(required=True)
    which.add_argument('--bids-dir', type=Path, metavar='DIR', help='a dataset by its folder')
    which.add_argument('--dataset-key', metavar='KEY', help='a dataset by its key')
    which.add_argument(
        '--scope', metavar='reg|full|WORD', help='all datasets of the registry with this use'
    )
    run.add_argument(
        '--datasets-local', type=Path, metavar='FILE', help='YAML of "key: path", local paths'
    )
    run.add_argument(
        '--datasets',
        type=Path,
        metavar='FILE',
        help='the registry of datasets (default: datasets.yaml beside --datasets-local)',
    )
    run.add_argument('--out', type=Path, required=True, metavar='DIR', help='output folder')
    _add_labels(run)
    _add_tools(run)
    _add_resources(run)
    _add_array(run)


def _add_check(check: argparse.ArgumentParser) -> None:
    check.add_argument('step', choices=[STEP])
    check.add_argument(
        '--out', type=Path, required=True, metavar='DIR', help="a run's --out, or its OUT_DIR"
    )
    check.add_argument(
        '--dataset-key', nargs='+', metavar='KEY', help='datasets to check (default: all there)'
    )
    check.add_argument(
        '--strict', action='store_true', help='end with 1 also on a WARN or a missing figure'
    )
    check.add_argument('--json', action='store_true', help='print the findings as JSON')


def _add_status(status: argparse.ArgumentParser) -> None:
    status.description = 'One line per subject and session; also while a run goes on.'
    status.add_argument(
        '--out', type=Path, required=True, metavar='DIR', help="a run's --out, or its OUT_DIR"
    )
    status.add_argument('--json', action='store_true', help='print it as JSON')


def _add_report(report: argparse.ArgumentParser) -> None:
    report.description = (
        'Make the figures and pages of a finished run again, from what is on disk. No command of '
        'SCT runs. A figure whose images are gone stays as it is.'
    )
    report.add_argument(
        '--out', type=Path, required=True, metavar='DIR', help="a run's --out, or its OUT_DIR"
    )
    report.add_argument(
        '--dataset-key', nargs='+', metavar='KEY', help='datasets (default: all there)'
    )
    report.add_argument(
        '--template',
        type=Path,
        metavar='DIR',
        help="template of the run, for figures that show it (default: SCT's own)",
    )
    report.add_argument('--pages-only', action='store_true', help='leave the figures as they are')


def _add_doctor(doctor: argparse.ArgumentParser) -> None:
    _add_sct(doctor, 'auto')


def _add_demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        '--out',
        type=Path,
        metavar='DIR',
        default=Path('spinalprep-demo'),
        help='folder for dataset, template and results (default: %(default)s)',
    )
    demo.add_argument(
        '--sct',
        metavar='auto|DIR|embedded',
        default='auto',
        help='as for run, but without SCT the embedded stand-in is used (default: auto)',
    )
    _add_names(demo)
    _add_resources(demo)


def _add_find_cord(find: argparse.ArgumentParser) -> None:
    find.description = (
        'Find the spinal cord in a T2w or T1w image within seconds, from its intensities alone. '
        'Preview quality. Where no cord can be told from other things, nothing is written, the '
        'reason is printed, and the exit code is 1.'
    )
    find.add_argument('image', metavar='IMAGE', type=Path, help='NIfTI image, one volume')
    find.add_argument(
        '-o', dest='out', metavar='MASK', type=Path, required=True, help='cord mask, .nii.gz'
    )
    find.add_argument(
        '--csv',
        metavar='CENTERLINE',
        type=Path,
        help='also write the centreline: arc length, position (RAS+, mm), area (mm²)',
    )
    find.add_argument('--contrast', choices=['T2w', 'T1w'], help='default: told from the image')


def _add_labels(target: argparse.ArgumentParser) -> None:
    target.add_argument(
        '--participant-label',
        '--participant_label',
        nargs='+',
        metavar='LABEL',
        help='subjects to run, such as 2, 02 or sub-02 (default: all)',
    )
    target.add_argument(
        '--session-label',
        '--session-id',
        nargs='+',
        metavar='LABEL',
        help='sessions to run, such as 2, 02 or ses-02 (default: all)',
    )
    target.add_argument(
        '--acq', nargs='+', metavar='LABEL', help='take only images with one of these acq-'
    )
    target.add_argument(
        '--run', nargs='+', type=int, metavar='N', help='take only images with one of these run-'
    )
    target.add_argument(
        '--bids-filter-file',
        type=Path,
        metavar='FILE',
        help='PyBIDS filters (JSON), under t2w and t1w, that say which images may be taken',
    )
    target.add_argument(
        '--dry-run',
        action='store_true',
        help='print what would run and why, on which images, what it would write and take, '
        'and do nothing',
    )
    target.add_argument(
        '--exclude-from',
        type=Path,
        metavar='FILE',
        help="leave out what was rejected on the dataset's page: the file that it exports",
    )


def _add_sct(target: argparse.ArgumentParser, default: str) -> None:
    target.add_argument(
        '--sct',
        metavar='auto|DIR|IMAGE|embedded',
        default=default,
        help='the Spinal Cord Toolbox: found by $SCT_DIR or PATH, in a folder, in an image '
        '(FILE.sif, or a Docker image NAME:TAG), or the stand-in for tests that comes along '
        '(default: auto)',
    )
    target.add_argument(
        '--template',
        type=Path,
        metavar='DIR',
        help="another template than SCT's PAM50; holds template/info_label.txt",
    )


def _add_names(target: argparse.ArgumentParser) -> None:
    target.add_argument(
        '--output-names',
        choices=SCHEMES,
        default=SCHEMES[0],
        help='file names of results: those that the later steps of the pipeline read, or names '
        'that are valid in BIDS (default: %(default)s)',
    )


def _add_tools(target: argparse.ArgumentParser) -> None:
    _add_sct(target, 'auto')
    target.add_argument('--gpu', action='store_true', help='let the networks use a GPU')
    target.add_argument('--policy', type=Path, metavar='FILE', help='YAML over the default policy')
    target.add_argument(
        '--precomputed',
        action='append',
        default=[],
        type=product_and_path,
        metavar='PRODUCT=PATH',
        help=f'use a file instead of computing it; PRODUCT is {", ".join(PRECOMPUTABLE)}; PATH '
        'may hold {subject} and {session}; may be repeated',
    )
    target.add_argument(
        '--manual-dir',
        type=Path,
        metavar='DIR',
        help='masks and labels corrected by hand, used instead of computing them: DIR holds '
        "sub-*/[ses-*/]anat/ or the files themselves (default: the dataset's derivatives/labels, "
        'unless the policy says no)',
    )
    target.add_argument(
        '--derivatives',
        action='append',
        default=[],
        type=name_and_path,
        metavar='NAME=PATH',
        help='earlier results of spinalprep, used in the same way: the folder that holds sub-*; '
        'sidecars call it NAME; may be repeated, the first one that has a product gives it',
    )
    _add_names(target)


def _add_resources(target: argparse.ArgumentParser) -> None:
    target.add_argument(
        '--nprocs',
        type=positive,
        metavar='N',
        help='processors to use (default: all that machine, control group or Slurm give)',
    )
    target.add_argument(
        '--mem',
        type=gigabytes,
        metavar='GB',
        help='memory to plan with, such as 16 or 16G (default: nine tenths of what machine, '
        'control group or Slurm give)',
    )
    target.add_argument(
        '--omp-nthreads',
        type=positive,
        metavar='N',
        help='threads of one command (default: half of the processors, at most 8, so that two '
        'commands fit side by side)',
    )
    target.add_argument('--work-dir', type=Path, metavar='DIR', help='folder for working files')
    target.add_argument(
        '--clean-work',
        action='store_true',
        help='remove the working files of a subject when it has completed',
    )
    again = target.add_mutually_exclusive_group()
    again.add_argument(
        '--force',
        dest='again',
        action='store_const',
        const='all',
        default='changed',
        help='run subjects whose results are complete and unchanged, too',
    )
    again.add_argument(
        '--rerun-failed',
        dest='again',
        action='store_const',
        const='failed',
        help='run only subjects that did not complete',
    )
    how = target.add_mutually_exclusive_group()
    how.add_argument(
        '--plugin',
        choices=['linear', 'multiproc', 'slurm'],
        help='how Nipype runs the graph: node by node, side by side on this computer, or each '
        'node as a job of a Slurm cluster (default: multiproc with more than one processor)',
    )
    how.add_argument(
        '--use-plugin',
        type=Path,
        metavar='FILE',
        help='another plugin of Nipype: YAML with "plugin" and "plugin_args"',
    )
    target.add_argument(
        '--slurm-args',
        metavar='OPTIONS',
        help='more options of sbatch for each job, in quotes, such as '
        '"--partition=long --account=mylab"',
    )


def joined(argv: Sequence[str]) -> list[str]:
    """The arguments, with values that look like options joined to theirs.

    Examples
    --------
    >>> joined(['--plugin', 'slurm', '--slurm-args', '--partition=long'])
    ['--plugin', 'slurm', '--slurm-args=--partition=long']
    """
    found: list[str] = []
    for word in argv:
        if found and found[-1] == '--slurm-args':
            found[-1] = f'--slurm-args={word}'
        else:
            found.append(word)
    return found


def _add_array(target: argparse.ArgumentParser) -> None:
    target.add_argument(
        '--array-script',
        type=Path,
        metavar='FILE',
        help='run nothing; write a job array for Slurm, with a task per subject and session and a '
        'last job for the page: submit it with "bash FILE"',
    )
    target.add_argument(
        '--array-scratch',
        metavar='DIR',
        help='with --array-script: working files go to this folder of each node, such as '
        "'$TMPDIR' (read on the node), and are removed after each task",
    )
