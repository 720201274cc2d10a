# SPDX-License-Identifier: Apache-2.0
"""Find SCT on this machine. Nothing else in the package looks for it."""

import os
import shutil
import sys
from pathlib import Path

import spinalprep
from spinalprep.errors import ToolboxError
from spinalprep.toolbox.dialect import TASKS, dialect_for
from spinalprep.toolbox.images import find_image, is_image
from spinalprep.toolbox.models import model_identity
from spinalprep.toolbox.template import template_identity
from spinalprep.toolbox.toolbox import Toolbox

HOW_TO_GIVE = (
    'Install it (https://spinalcordtoolbox.com) and put its bin folder on PATH, or set SCT_DIR, '
    'or name its folder with --sct DIR, or an image with --sct IMAGE.sif; --sct embedded uses the '
    'built-in stand-in.'
)


def find_toolbox(
    sct: str | Path = 'auto', *, template: Path | None = None, gpu: bool = False
) -> Toolbox:
    """Find the Spinal Cord Toolbox, its version, networks and template.

    Parameters
    ----------
    sct
        ``'auto'`` (``$SCT_DIR``, else ``PATH``), the folder of an installation, an image of
        Apptainer or the name of one of Docker (see :func:`spinalprep.toolbox.images.find_image`),
        or ``'embedded'`` (the stand-in of this package).
    template
        Folder that holds ``template/info_label.txt``; default: PAM50 of the installation.
        The embedded toolbox has no default.
    gpu
        Let the networks use a GPU.

    Returns
    -------
    Toolbox
        Frozen; nothing looks for SCT again after this.

    Raises
    ------
    ToolboxError
        If there is no SCT, it is older than 6.3, or the template given is none.
    """
    given = Path(template).expanduser().resolve() if template is not None else None
    if str(sct) == 'embedded':
        return Toolbox(
            kind='embedded',
            version=f'embedded-{spinalprep.__version__}',
            prefix=(sys.executable, '-m', 'spinalprep.embedded'),
            template=given,
            template_identity=template_identity(given) if given else '',
            gpu=gpu,
        )
    container = None
    if is_image(str(sct)):
        container, root = find_image(str(sct))
    else:
        root = _root_from_environment() if str(sct) == 'auto' else Path(sct).expanduser().resolve()
    version = _version(root)
    dialect = dialect_for(version)
    default = root / 'data' / 'PAM50'
    if given is None and (default / 'template' / 'info_label.txt').is_file():
        given = default
    return Toolbox(
        kind='container' if container else 'installed',
        version=version,
        root=root,
        template=given or default,
        template_identity=template_identity(given) if given else '',
        models=tuple(
            (task, model_identity(root, dialect, task))
            for task in TASKS
            if not dialect.lacks(task)
        ),
        gpu=gpu,
        container=container,
    )


def _root_from_environment() -> Path:
    """Folder of the installation that the user's environment names."""
    named = os.environ.get('SCT_DIR')
    if named:
        return Path(named).expanduser().resolve()
    program = shutil.which('sct_version')
    if program is None:
        raise ToolboxError(
            f'SCT was not found: SCT_DIR is not set, no sct_version on PATH. {HOW_TO_GIVE}'
        )
    return Path(program).resolve().parent.parent


def _version(root: Path) -> str:
    """Version of the installation in ``root``, from its own file: banners can't be parsed."""
    file = root / 'spinalcordtoolbox' / 'version.txt'
    try:
        version = file.read_text().strip()
    except OSError as error:
        raise ToolboxError(f'no SCT in {root}: {file} can not be read. {HOW_TO_GIVE}') from error
    if not (root / 'bin' / 'sct_version').exists():
        raise ToolboxError(
            f'the SCT in {root} is not installed: it has no bin/sct_version. '
            f'Run {root / "install_sct"}, or name another one with --sct DIR'
        )
    return version
