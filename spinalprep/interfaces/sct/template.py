# SPDX-License-Identifier: Apache-2.0
"""What the commands that read the template have in common."""

from pathlib import Path
from typing import Any

from nipype.interfaces.base import Directory, isdefined

from spinalprep.errors import ToolboxError
from spinalprep.interfaces.sct.base import SCTCommand, SCTInputSpec
from spinalprep.toolbox import Toolbox
from spinalprep.toolbox.template import listed_files, template_identity


class TemplateInputSpec(SCTInputSpec):
    """Inputs of a command that reads the template: its identity is hashed, its place is not."""

    template = Directory(
        resolve=True, nohash=True, desc='template folder; default: that of the toolbox'
    )

    def _template_changed(self) -> None:
        self._set_identity()

    def _identity_parts(self, toolbox: Toolbox) -> tuple[str, ...]:
        if not isdefined(self.template) or Path(self.template) == toolbox.template:
            return (toolbox.template_identity,)
        return (template_identity(Path(self.template)),)


class TemplateCommand(SCTCommand):
    """A command that reads the template."""

    input_spec = TemplateInputSpec

    @property
    def template(self) -> Path:
        """The template folder.

        Raises
        ------
        ToolboxError
            If neither this interface nor the toolbox has one.
        """
        inputs = self.inputs
        if isdefined(inputs.template):
            return Path(inputs.template)
        if inputs.toolbox.template is None:
            raise ToolboxError(f'{self._command} needs a template: name one with --template DIR')
        return inputs.toolbox.template

    def _readable(self) -> list[Path]:
        # its files, too: each may be a link that leads out of the folder
        files = [path for path in listed_files(self.template) if path.is_file()]
        return [*super()._readable(), self.template, *files]

    def _template_option(self) -> list[Any]:
        return ['-t', self.template]
