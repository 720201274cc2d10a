# SPDX-License-Identifier: Apache-2.0
"""Checks before anything runs: can this toolbox do what is going to be asked of it?"""

import os
import shutil
import tempfile
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from spinalprep.errors import ToolboxError
from spinalprep.toolbox.dialect import TASKS, ToolboxWarning, dialect_for
from spinalprep.toolbox.models import model_state
from spinalprep.toolbox.template import CONTRAST_IDS, PART_IDS, template_files
from spinalprep.toolbox.toolbox import Toolbox

NEEDS = (*TASKS, 'registration', 'lrootlet')
"""What can be asked for: the segmentation tasks, registration to the template, and by rootlets."""

TEMP_SPACE_GB = 2.0
"""Free space wanted in the temp folder: a registration to PAM50 writes several fields there."""


@dataclass(frozen=True)
class Check:
    """Outcome of one check.

    Parameters
    ----------
    name
        What was looked at.
    ok
        Whether it serves.
    detail
        What was found.
    remedy
        The command, or the deed, that mends it; empty if there is nothing to mend.
    """

    name: str
    ok: bool
    detail: str
    remedy: str = ''


def check_toolbox(
    toolbox: Toolbox, needs: Collection[str], *, contrasts: Collection[str] = ()
) -> list[Check]:
    """Check that a toolbox can do what is needed.

    Parameters
    ----------
    toolbox
        The toolbox.
    needs
        Words of :data:`NEEDS`.
    contrasts
        Template images that registration will ask for: ``'t1'``, ``'t2'``, ``'t2s'``.

    Returns
    -------
    list of Check
        In the order in which to mend them.
    """
    unknown = set(needs) - set(NEEDS)
    if unknown:
        raise ValueError(f'unknown needs: {", ".join(sorted(unknown))}')
    checks = [_version(toolbox)]
    checks += [
        _capability(toolbox, need) for need in NEEDS if need in needs and need != 'registration'
    ]
    if toolbox.root is not None:
        checks.append(_path(toolbox))
        checks += [
            _model(toolbox, task)
            for task in TASKS
            if task in needs and not toolbox.dialect.lacks(task)
        ]
    if {'registration', 'lrootlet'} & set(needs):
        checks.append(_template(toolbox, contrasts, rootlets='lrootlet' in needs))
    checks.append(_temp_folder())
    return checks


def require(
    toolbox: Toolbox, needs: Collection[str], *, contrasts: Collection[str] = ()
) -> list[Check]:
    """Like :func:`check_toolbox`, but a check that fails is an error.

    Raises
    ------
    ToolboxError
        With a line for each check that failed, and what mends it.
    """
    checks = check_toolbox(toolbox, needs, contrasts=contrasts)
    failed = [check for check in checks if not check.ok]
    if failed:
        lines = [f'{check.name}: {check.detail}. To mend it: {check.remedy}' for check in failed]
        raise ToolboxError('\n'.join(lines))
    return checks


def _version(toolbox: Toolbox) -> Check:
    """The version, and whether it is one whose command lines are known."""
    if toolbox.kind == 'embedded':
        return Check('SCT', True, f'{toolbox.version}, the built-in stand-in')
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always', ToolboxWarning)
        dialect = dialect_for(toolbox.version)
    note = ''.join(f' ({warning.message})' for warning in caught)
    place = toolbox.container.image if toolbox.container else toolbox.root
    return Check('SCT', True, f'{toolbox.version} in {place}, dialect {dialect.release}{note}')


def _capability(toolbox: Toolbox, need: str) -> Check:
    """Whether the release can do it at all."""
    lacks = toolbox.dialect.lacks(need)
    remedy = 'install a newer SCT, or change what is asked of it' if lacks else ''
    if need == 'spine' and lacks:
        remedy = 'install a newer SCT, or give disc labels with the image'
    return Check(f'{need} in this release', not lacks, lacks or 'yes', remedy)


def _path(toolbox: Toolbox) -> Check:
    """Some releases mistake every task for TotalSpineSeg if their path has a certain word."""
    trap = toolbox.dialect.row['path_trap']
    root = toolbox.container.root if toolbox.container else str(toolbox.root)
    if trap and trap in root:
        return Check(
            'installation path',
            False,
            f'SCT {toolbox.version} fails in a path that contains "{trap}": {root}',
            f'reinstall SCT in a path without "{trap}"',
        )
    return Check('installation path', True, root)


def _model(toolbox: Toolbox, task: str) -> Check:
    """Whether the network is there and SCT would keep it."""
    state = model_state(toolbox.root, toolbox.dialect, task)
    ok = state.state not in ('absent', 'outdated')
    command = toolbox.dialect.install_command(task)
    remedy = f'{toolbox.root / "bin"}/{command} (needs internet)'
    if toolbox.container:
        remedy = f'use an image in which {command} was run'
    return Check(f'network for {task}', ok, f'{state.state}: {state.detail}', '' if ok else remedy)


def _template(toolbox: Toolbox, contrasts: Collection[str], *, rootlets: bool) -> Check:
    """Whether the template has every file that it lists, and the ids that will be read."""
    name = 'template'
    if toolbox.template is None:
        return Check(name, False, 'none was given', 'name one with --template DIR')
    fetch = 'name a complete one with --template DIR'
    own = toolbox.root is not None and toolbox.template == toolbox.root / 'data' / 'PAM50'
    if own and not toolbox.container:
        fetch = f'{toolbox.root / "bin" / "sct_download_data"} -d PAM50 (needs internet)'
    try:
        files = template_files(toolbox.template)
    except ToolboxError as error:
        return Check(name, False, str(error), fetch)
    missing = [path.name for path in files.values() if not path.is_file()]
    if missing:
        return Check(
            name, False, f'{toolbox.template} lacks listed files: {", ".join(missing)}', fetch
        )
    wanted = {f'{contrast} image': CONTRAST_IDS[contrast] for contrast in contrasts}
    wanted |= {part: PART_IDS[part] for part in ('cord', 'disc')}
    if rootlets:
        wanted |= {part: PART_IDS[part] for part in ('rootlets', 'rootlets_mid')}
    absent = [f'{what} (id {number})' for what, number in wanted.items() if number not in files]
    if absent:
        return Check(name, False, f'{toolbox.template} lists no {", ".join(absent)}', fetch)
    return Check(name, True, f'{toolbox.template}, {len(files)} files')


def _temp_folder() -> Check:
    """Whether SCT's temp folders can be made and filled."""
    name = 'temp folder'
    remedy = 'set TMPDIR to a folder with room'
    folder = Path(os.environ.get('TMPDIR') or tempfile.gettempdir())
    try:
        with tempfile.TemporaryDirectory(dir=folder) as inner:
            (Path(inner) / 'probe').write_bytes(b'0' * 4096)
    except OSError as error:
        return Check(name, False, f'{folder} can not be written: {error.strerror}', remedy)
    free = shutil.disk_usage(folder).free / 1e9
    if free < TEMP_SPACE_GB:
        return Check(
            name,
            False,
            f'{folder} has {free:.1f} GB free, {TEMP_SPACE_GB:.0f} GB are wanted',
            remedy,
        )
    return Check(name, True, f'{folder}, {free:.0f} GB free')
