# SPDX-License-Identifier: Apache-2.0
"""Nodes that may have nothing to do, known only when the graph runs.

A skipped node leaves its outputs Undefined, except ``no_result``, which says why. Nipype caches it
like any other; one graph thus serves all subjects.
"""

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    InputMultiObject,
    TraitedSpec,
    isdefined,
    traits,
)

from spinalprep.errors import SCTCommandError


class ConditionalInputSpec(BaseInterfaceInputSpec):
    """Inputs of a node that may be skipped. File inputs must not be ``mandatory=True``."""

    eligible = traits.Bool(True, usedefault=True, desc='run; if not, there is no result')
    reason = InputMultiObject(
        traits.Str(),
        desc='why it is not eligible, or why inputs are missing: connect no_result of the node '
        'that should have made them',
    )
    tolerate_failure = traits.Bool(
        False, usedefault=True, desc='an SCT command that fails is "no result", not an error'
    )


class ConditionalOutputSpec(TraitedSpec):
    """Outputs of a node that may be skipped."""

    no_result = traits.Str(desc='why there is no result; Undefined if there is one')


class Conditional:
    """Mixin, placed before the Nipype base class.

    A subclass writes ``_run_eligible`` where it would write ``_run_interface``; ``_list_results``
    instead of ``_list_outputs``, if its base has no good one (``SimpleInterface`` has); and names
    in ``_needs`` the file inputs without which there is nothing to do.

    Examples
    --------
    >>> from nipype.interfaces.base import File, SimpleInterface, traits
    >>> class _CountInputSpec(ConditionalInputSpec):
    ...     in_file = File()
    >>> class _CountOutputSpec(ConditionalOutputSpec):
    ...     count = traits.Int()
    >>> class Count(Conditional, SimpleInterface):
    ...     input_spec = _CountInputSpec
    ...     output_spec = _CountOutputSpec
    ...     _needs = ('in_file',)
    ...
    ...     def _run_eligible(self, runtime):
    ...         self._results['count'] = len(self.inputs.in_file)
    ...         return runtime
    >>> Count(in_file='x.nii.gz').run().outputs.count
    8
    >>> Count(eligible=False, reason='too short').run().outputs
    <BLANKLINE>
    count = <undefined>
    no_result = too short
    <BLANKLINE>
    """

    _needs: tuple[str | tuple[str, ...], ...] = ()
    _no_result: str | None = None

    def _needed_inputs(self) -> tuple[str | tuple[str, ...], ...]:
        """Inputs without which there is nothing to do; of a tuple, one is enough."""
        return self._needs

    def _run_eligible(self, runtime):
        """Do the work."""
        raise NotImplementedError

    def _list_results(self) -> dict:
        """Outputs of work that was done."""
        return super()._list_outputs()

    def _run_interface(self, runtime):
        self._no_result = self._why_not()
        if self._no_result is not None:
            return runtime
        try:
            return self._run_eligible(runtime)
        except SCTCommandError as error:
            if not self.inputs.tolerate_failure:
                raise
            self._no_result = str(error).partition('\n')[0]
            return runtime

    def _list_outputs(self) -> dict:
        if self._no_result is not None:
            return {'no_result': self._no_result}
        return self._list_results()

    def _why_not(self) -> str | None:
        """Why there is nothing to do; ``None`` if there is.

        Raises
        ------
        ValueError
            If an input is missing and nobody says why: then the graph is wired wrongly.
        """
        given = self.inputs.reason
        reasons = '; '.join(dict.fromkeys(given)) if isdefined(given) else ''
        if not self.inputs.eligible:
            return reasons or 'not eligible'
        missing = [
            ' or '.join(names)
            for names in (
                (need,) if isinstance(need, str) else need for need in self._needed_inputs()
            )
            if not any(isdefined(getattr(self.inputs, name)) for name in names)
        ]
        if not missing:
            return None
        if reasons or self.inputs.tolerate_failure:
            return reasons or f'nothing was given for {", ".join(missing)}'
        raise ValueError(
            f'{type(self).__name__} requires a value for {", ".join(missing)}. Where the node '
            'that makes it may have no result, connect the no_result of that node to reason'
        )
