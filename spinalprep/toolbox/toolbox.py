# SPDX-License-Identifier: Apache-2.0
"""Where SCT is, as a value: frozen, hashable, picklable; using it never touches the disk."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from spinalprep.toolbox.container import Container
from spinalprep.toolbox.dialect import TASKS, Dialect, dialect_for

Kind = Literal['installed', 'container', 'embedded']


@dataclass(frozen=True)
class Toolbox:
    """A Spinal Cord Toolbox to work with; made by :func:`spinalprep.toolbox.find_toolbox`.

    Parameters
    ----------
    kind
        ``'installed'`` (SCT itself), ``'container'`` (SCT in an image) or ``'embedded'`` (the
        stand-in of this package).
    version
        From SCT's ``version.txt``; ``'embedded-…'`` for the embedded one.
    prefix
        Arguments before the command, such as an interpreter.
    root
        Folder of the installation, or of its shadow (see :mod:`spinalprep.toolbox.images`);
        ``None`` if there is none on this file system.
    template
        Folder that holds ``template/info_label.txt``; ``None`` if there is no default.
    template_identity
        Name and digest of the template's files.
    models
        Pairs of canonical task and identity of its network.
    gpu
        Let the networks use a GPU.
    container
        Image that the commands run in; ``None`` if they run on this machine.
    """

    kind: Kind
    version: str
    prefix: tuple[str, ...] = ()
    root: Path | None = None
    template: Path | None = None
    template_identity: str = ''
    models: tuple[tuple[str, str], ...] = ()
    gpu: bool = False
    container: Container | None = None

    def argv(self, command: str) -> tuple[str, ...]:
        """Arguments that start an SCT command, inside its container if it has one.

        Examples
        --------
        >>> Toolbox.example('7.2').argv('sct_image')
        ('/usr/local/sct_7.2/bin/sct_image',)
        """
        if self.container:
            return (f'{self.container.root}/bin/{command}',)
        program = str(self.root / 'bin' / command) if self.root else command
        return (*self.prefix, program)

    @property
    def dialect(self) -> Dialect:
        """The command-line dialect of this version."""
        return dialect_for(self.version)

    def model_identity(self, task: str) -> str:
        """Identity of the network of a canonical task, empty if there is none."""
        return dict(self.models).get(task, '')

    @classmethod
    def example(cls, version: str) -> 'Toolbox':
        """A toolbox that exists nowhere, for examples and for tests of command lines.

        Parameters
        ----------
        version
            A version of SCT, or ``'embedded'``.
        """
        if version == 'embedded':
            return cls('embedded', 'embedded-0', (sys.executable, '-m', 'spinalprep.embedded'))
        root = Path(f'/usr/local/sct_{version}')
        tasks = (task for task in TASKS if not dialect_for(version).lacks(task))
        return cls(
            kind='installed',
            version=version,
            root=root,
            template=root / 'data' / 'PAM50',
            template_identity='PAM50@example',
            models=tuple((task, f'{task}@example') for task in tasks),
        )
