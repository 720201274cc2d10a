# SPDX-License-Identifier: Apache-2.0
"""SCT in a container: how a command is started in an image.

Each command gets the folders that it reads (read-only), its own folder and its temporary one, at
the paths that they have outside; and no variable of the environment but those named.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spinalprep.errors import ToolboxError

Runtime = Literal['apptainer', 'singularity', 'docker']


@dataclass(frozen=True)
class Container:
    """An image with SCT in it, and the program that starts it.

    Parameters
    ----------
    runtime
        Whose command line is spoken.
    program
        The program, with its path.
    image
        Path of the image file (Apptainer, Singularity), or name of the image (Docker).
    root
        Folder of SCT inside.
    identity
        Changes when the image does.
    """

    runtime: Runtime
    program: str
    image: str
    root: str = ''
    identity: str = ''

    def argv(
        self,
        command: Iterable[str],
        *,
        folder: Path,
        temp: Path,
        readable: Iterable[Path] = (),
        variables: Mapping[str, str] | None = None,
        gpu: bool = False,
        name: str = '',
    ) -> tuple[str, ...]:
        """Arguments that run a command inside.

        Parameters
        ----------
        command
            Program and arguments, as inside.
        folder, temp
            Current folder of the command, and that for temporary files; both can be written.
        readable
            Files and folders that the command reads, links or not.
        variables
            The command's environment, beside what the image sets.
        gpu
            Let it see NVIDIA GPUs.
        name
            Of the container, for Docker, by which it can be stopped.

        Raises
        ------
        ToolboxError
            If a path can't be passed to the container runtime.
        """
        binds = dict.fromkeys(map(_real, (folder, temp)), 'rw')
        for path in _folders(readable):
            if not any(path.is_relative_to(bound) for bound in binds):
                binds[path] = 'ro'
        # parents first: what is bound later hides what was bound below it
        binds = dict(sorted(binds.items(), key=lambda bind: len(bind[0].parts)))
        variables = dict(variables or {})
        if self.runtime == 'docker':
            program, *arguments = command
            return (
                *self._docker(binds, folder, variables),
                *([f'--name={name}'] if name else []),
                *(['--gpus=all'] if gpu else []),
                # the image's own entry point must not come before the program
                f'--entrypoint={program}', self.image, *arguments,
            )  # fmt: skip
        for path in (*binds, *variables.values()):
            if set(str(path)) & set(',:'):
                raise ToolboxError(
                    f'{path}: {self.runtime} can not bind a path with a comma or colon in it; '
                    'rename it, or use an SCT that is installed'
                )
        options = [f'--bind={path}:{path}:{mode}' for path, mode in binds.items()]
        options += [f'--env={key}={value}' for key, value in variables.items()]
        options += ['--nv'] if gpu else []
        # without --workdir the container's own temporary folders hold a few megabytes
        return (
            self.program, 'exec', '--cleanenv', '--contain', f'--workdir={_real(temp)}',
            f'--pwd={_real(folder)}', *options, self.image, *command,
        )  # fmt: skip

    def _docker(
        self, binds: Mapping[Path, str], folder: Path, variables: Mapping[str, str]
    ) -> list[str]:
        """Docker's options that do not depend on the command."""
        mounts = []
        for path, mode in binds.items():
            if '"' in str(path):
                raise ToolboxError(f'{path}: docker can not bind a path with a quote in it')
            fields = ['type=bind', f'"source={path}"', f'"target={path}"']
            mounts.append('--mount=' + ','.join(fields + ['readonly'] * (mode == 'ro')))
        # the user has no home inside, and some libraries insist on one
        variables = {'HOME': '/tmp', **variables}  # noqa: S108 - inside
        return [
            self.program, 'run', '--rm', '--init', '--network=none',
            f'--user={os.getuid()}:{os.getgid()}', f'--workdir={_real(folder)}', *mounts,
            *(f'--env={key}={value}' for key, value in variables.items()),
        ]  # fmt: skip

    def stop_argv(self, name: str) -> tuple[str, ...]:
        """What stops a container whose starter was killed; empty where that does it already."""
        return (self.program, 'kill', name) if self.runtime == 'docker' else ()

    def outer_environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Environment of the runtime itself: ours, without what it would hand on.

        ``--cleanenv`` lets variables with these prefixes through, and binds of the user's own
        would make one machine's results differ from another's.
        """
        handed_on = ('APPTAINERENV_', 'SINGULARITYENV_', 'APPTAINER_BIND', 'SINGULARITY_BIND')
        return {key: value for key, value in base.items() if not key.startswith(handed_on)}


def _real(path: Path) -> Path:
    return Path(path).absolute()


def _folders(paths: Iterable[Path]) -> list[Path]:
    """Folders to bind: of each path, and of the file that a link leads to."""
    found: dict[Path, None] = {}
    for path in paths:
        for place in (Path(path).absolute(), Path(path).resolve()):
            found[place if place.is_dir() else place.parent] = None
    return [path for path in found if not any(path.is_relative_to(o) for o in found if o != path)]
