# SPDX-License-Identifier: Apache-2.0
"""Find SCT in an image: where it is inside, which version, and what must be seen outside.

Template, metadata of networks and version are files that spinalprep itself reads. They are
taken out of an image once, into the user's cache, under the same relative paths: a shadow of the
installation, without its programs and weights.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from spinalprep.errors import ToolboxError
from spinalprep.toolbox.container import Container

IMAGE_FILES = ('.sif', '.simg', '.img', '.sqsh')
"""How the names of Apptainer's images end."""

# what docker says of its daemon, by releases
_DAEMON_AWAY = re.compile(
    'Cannot connect to the Docker daemon|failed to connect to the docker API|error during connect'
)
_DAEMON_CLOSED = re.compile('permission denied while trying to connect')

_IMAGE_NAME = re.compile(r'[a-z0-9][\w.-]*(:\d+)?(/[\w.-]+)*(:[\w.-]+)?(@sha256:[0-9a-f]+)?')

# $1 is where the shadow goes; SCT is where its variable or its programs say, or in a usual place
_PROBE = """
set -e
root=${SCT_DIR:-}
if [ -z "$root" ]; then
  program=$(command -v sct_version || true)
  if [ -n "$program" ]; then root=$(dirname "$(dirname "$(readlink -f "$program")")"); fi
fi
for place in "$root" /opt/sct* /opt/spinalcordtoolbox* /sct* /usr/local/sct*; do
  if [ -f "$place/spinalcordtoolbox/version.txt" ]; then root=$place; break; fi
done
cd "$root" && [ -f spinalcordtoolbox/version.txt ] || exit 9
list() { for item in "$@"; do if [ -e "$item" ]; then echo "$item"; fi; done; }
list spinalcordtoolbox/version.txt spinalcordtoolbox/deepseg/models.py bin/sct_version \\
  data/PAM50/template data/PAM50/spinal_levels data/PAM50/atlas \\
  data/deepseg_models/*/source.json \\
  python/envs/*/lib/python*/site-packages/totalspineseg-*.dist-info/METADATA > "$1/list"
tar -c -h -f "$1/shadow.tar" -T "$1/list"
find data/deepseg_models -type f \\( -name '*.pth' -o -name '*.ckpt' -o -name '*.pt' \
  -o -name '*.onnx' \\) -exec stat -c '%s %n' {} + > "$1/weights" 2> /dev/null || true
echo "$root" > "$1/root"
"""


def is_image(text: str) -> bool:
    """Whether ``--sct`` names an image rather than a folder.

    Examples
    --------
    >>> is_image('sct_7.2.sif'), is_image('docker://vnmd/sct:7.2'), is_image('vnmd/sct:7.2')
    (True, True, True)
    >>> is_image('/opt/sct_7.2'), is_image('~/sct'), is_image('auto')
    (False, False, False)
    """
    if text.endswith(IMAGE_FILES) or text.startswith('docker://'):
        return True
    return ':' in text and _IMAGE_NAME.fullmatch(text) is not None


def find_image(text: str) -> tuple[Container, Path]:
    """The container of an image, and the shadow of the SCT in it.

    Parameters
    ----------
    text
        Path of an image of Apptainer or Singularity; or the name of a Docker image with its tag,
        or after ``docker://``.

    Returns
    -------
    container : Container
    shadow : Path
        Folder with the few files of the installation that are read outside.

    Raises
    ------
    ToolboxError
        If there is no such image, nothing to start it with, or no SCT in it.
    """
    container = _docker(text.removeprefix('docker://')) if _by_docker(text) else _file(text)
    shadow = _cache() / container.identity
    if not (shadow / 'root').is_file():
        _take_out(container, shadow)
    return replace(container, root=(shadow / 'root').read_text().strip()), shadow


def _by_docker(text: str) -> bool:
    return not text.endswith(IMAGE_FILES)


def _file(text: str) -> Container:
    """Container of an image file."""
    path = Path(text).expanduser().resolve()
    if not path.is_file():
        raise ToolboxError(f'{path}: there is no such image; give the path of one as --sct')
    runtime = next((name for name in ('apptainer', 'singularity') if shutil.which(name)), None)
    if runtime is None:
        raise ToolboxError(
            f'{path} can not be started: neither apptainer nor singularity is on PATH; '
            'on a cluster try: module load apptainer'
        )
    stat = path.stat()
    identity = _identity(f'{path.name} {stat.st_size} {stat.st_mtime_ns}')
    return Container(runtime, shutil.which(runtime), str(path), identity=identity)


def _docker(name: str) -> Container:
    """Container of a Docker image that is on this machine.

    Raises
    ------
    ToolboxError
        If docker, its daemon or the image is not there, or this user may not ask the daemon.
    """
    program = shutil.which('docker')
    if program is None:
        raise ToolboxError(
            f'{name} can not be started: docker is not on PATH. An SCT folder is named by its '
            'path, an image of Apptainer by a name that ends with .sif'
        )
    command = [program, 'image', 'inspect', '--format', '{{.Id}}', name]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        said = found.stderr.strip()
        why = (said.splitlines() or ['no answer'])[-1]
        if _DAEMON_CLOSED.search(said):
            raise ToolboxError(
                f'{name} can not be started: Docker does not let this user in ({why}). Be added '
                'to the group docker and log in again, or use an image of Apptainer'
            )
        if _DAEMON_AWAY.search(said):
            raise ToolboxError(
                f'{name} can not be started: Docker does not answer ({why}). Start it: '
                'sudo systemctl start docker, or Docker Desktop'
            )
        raise ToolboxError(
            f'the Docker image {name} is not there ({why}); fetch it with: docker pull {name}'
        )
    return Container('docker', program, name, identity=_identity(found.stdout.strip()))


def _identity(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _cache() -> Path:
    """Where shadows are kept."""
    home = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(home) / 'spinalprep' / 'images'


def _take_out(container: Container, shadow: Path) -> None:
    """Copy the few files out of the image; whole or not at all."""
    try:
        shadow.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix='.new-', dir=shadow.parent))
    except OSError as error:
        raise ToolboxError(
            f'{shadow.parent} can not be written ({error.strerror}): set XDG_CACHE_HOME to a '
            'folder that can; the template is taken out of the image into it'
        ) from error
    try:
        command = container.argv(
            ['/bin/sh', '-c', _PROBE, 'probe', str(scratch)], folder=scratch, temp=scratch
        )
        ran = subprocess.run(
            command,
            env=container.outer_environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode == 9:
            raise ToolboxError(
                f'no SCT in the image {container.image}: neither SCT_DIR nor PATH of the image, '
                'nor /opt or /usr/local in it, lead to one'
            )
        if ran.returncode:
            raise ToolboxError(
                f'the image {container.image} can not be started: {ran.stderr.strip()[-500:]}'
            )
        with tarfile.open(scratch / 'shadow.tar') as archive:
            archive.extractall(scratch, filter='data')
        (scratch / 'shadow.tar').unlink()
        _hollow_weights(scratch)
        with suppress(OSError):  # another process was faster
            scratch.rename(shadow)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _hollow_weights(shadow: Path) -> None:
    """Files of the networks' sizes without their content: that they are there is what counts."""
    for line in (shadow / 'weights').read_text().splitlines():
        size, _, name = line.partition(' ')
        path = shadow / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open('wb') as stream:
            stream.truncate(int(size))
