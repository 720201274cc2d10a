# SPDX-License-Identifier: Apache-2.0
"""The last interface of the graph: all evidence in one place, and the verdict."""

from __future__ import annotations

from nipype.interfaces.base import (
    BaseInterfaceInputSpec,
    InputMultiObject,
    SimpleInterface,
    TraitedSpec,
    isdefined,
    traits,
)


class _ConcludeInputSpec(BaseInterfaceInputSpec):
    discovery = traits.Dict(mandatory=True, desc='coverage and crop box')
    notes = traits.List(traits.Str, desc='what was changed in the image')
    spine_status = traits.Enum('computed', 'given', 'off', mandatory=True, desc='planned')
    spine_no_result = InputMultiObject(traits.Str(), desc="why there is no TotalSpineSeg's map")
    disc_no_result = InputMultiObject(traits.Str(), desc='why there are no numbered discs')
    filled_discs = traits.List(traits.Str, desc='discs that levels take to lie between others')
    rootlets_status = traits.Enum(
        'computed', 'given', 'not eligible', mandatory=True, desc='what was planned for rootlets'
    )
    rootlets_reason = traits.Str(desc='why rootlets were not planned')
    rootlets_eligible = traits.Bool(True, usedefault=True, desc='whether enough cord was there')
    rootlets_no_result = InputMultiObject(traits.Str(), desc='why there are no rootlets')
    registration = traits.Dict(mandatory=True, desc='paths, choice, numbers and verdict')
    given_notes = InputMultiObject(traits.Str(), desc='what was changed in files that were given')
    template_maps = traits.Dict(desc='what the template gives to the subject: status and reason')
    numbers = InputMultiObject(traits.Dict(), desc='numbers of S2.1 to S2.3, by name')
    numbers_failures = InputMultiObject(traits.Str(), desc='what could not be measured')
    bounds = traits.Any(mandatory=True, desc="the policy's verdict section")


class _ConcludeOutputSpec(TraitedSpec):
    evidence = traits.Dict(desc='all evidence, with verdict (PASS, WARN, FAIL) and reasons')


class Conclude(SimpleInterface):
    """Gather the evidence of all substeps and give the subject's verdict.

    Examples
    --------
    >>> from spinalprep.bounds import Verdict
    >>> conclude = Conclude(
    ...     bounds=Verdict(),
    ...     discovery={},
    ...     spine_status='computed',
    ...     rootlets_status='not eligible',
    ...     rootlets_reason='T1w',
    ...     registration={'verdict': 'PASS', 'reasons': [], 'no_result': {'rootlet': 'T1w'}},
    ... )
    >>> evidence = conclude.run().outputs.evidence
    >>> evidence['verdict'], evidence['rootlets']
    ('PASS', {'status': 'not eligible', 'reason': 'T1w'})
    """

    input_spec = _ConcludeInputSpec
    output_spec = _ConcludeOutputSpec

    def _run_interface(self, runtime):
        from spinalprep.verdict import WARN, verdict_of, worst

        registration, filled = dict(self.inputs.registration), self.inputs.filled_discs
        maps = self.inputs.template_maps
        numbers = self._numbers()
        verdict, reasons = verdict_of(numbers)
        verdicts = [registration['verdict'], verdict]
        reasons += registration['reasons']
        judged = len(reasons)
        spine = {'status': self.inputs.spine_status, 'reason': ''}
        no_map = _joined(self.inputs.spine_no_result)
        if no_map:
            spine = {'status': 'failed', 'reason': no_map}
            reasons.append(f'TotalSpineSeg: {no_map}')
        no_discs = _joined(self.inputs.disc_no_result)
        if no_discs and no_discs != no_map:
            reasons.append(f'discs: {no_discs}')
        rootlets = self._rootlets()
        if rootlets['status'] == 'failed':
            reasons.append(f'rootlets: {rootlets["reason"]}')
        no_result = registration['no_result']
        missed = self._paths_missed(no_result, rootlets['status'])
        reasons += [f'{path} path: {no_result[path]}' for path in missed]
        failures = self.inputs.numbers_failures
        reasons += [f'not measured: {why}' for why in (failures if isdefined(failures) else [])]
        if len(reasons) > judged:
            verdicts.append(WARN)
        self._results['evidence'] = {
            'verdict': worst(verdicts),
            'reasons': list(dict.fromkeys(reasons)),
            'numbers': numbers + _without_numbers(registration),
            'discovery': self.inputs.discovery
            | {'notes': self.inputs.notes if isdefined(self.inputs.notes) else []},
            'given': list(self.inputs.given_notes) if isdefined(self.inputs.given_notes) else [],
            'spine': spine,
            'levels': {'filled_discs': filled if isdefined(filled) else []},
            'rootlets': rootlets,
            'registration': registration,
            'template_maps': maps if isdefined(maps) else {},
        }
        return runtime

    def _numbers(self) -> list[dict]:
        from spinalprep.bounds import NUMBERS
        from spinalprep.verdict import judge_numbers

        # what could not be measured is told, too: the same numbers of every subject
        values = {n.name: None for n in NUMBERS if n.substep != 'S2.4'}
        for found in self.inputs.numbers if isdefined(self.inputs.numbers) else []:
            values |= found
        return judge_numbers(values, self.inputs.bounds)

    def _rootlets(self) -> dict[str, str]:
        inputs = self.inputs
        if inputs.rootlets_status == 'not eligible':
            return {'status': 'not eligible', 'reason': inputs.rootlets_reason}
        why = _joined(inputs.rootlets_no_result)
        if not inputs.rootlets_eligible:
            return {'status': 'not eligible', 'reason': why}
        if why:
            return {'status': 'failed', 'reason': why}
        return {'status': inputs.rootlets_status, 'reason': ''}

    def _paths_missed(self, no_result: dict[str, str], rootlets: str) -> list[str]:
        """Paths that should have given a result; a failure upstream is told there."""
        missed = []
        if 'disc' in no_result and not _joined(self.inputs.disc_no_result):
            missed.append('disc')
        if 'rootlet' in no_result and rootlets in ('computed', 'given'):
            missed.append('rootlet')
        return missed


def _without_numbers(registration: dict) -> list[dict]:
    """Take the numbers out of the evidence on the registration: they are told once."""
    paths = registration.get('paths', {})
    registration['paths'] = {
        name: {key: value for key, value in path.items() if key != 'numbers'}
        for name, path in paths.items()
    }
    return registration.pop('numbers', [])


def _joined(reasons) -> str:
    return '; '.join(dict.fromkeys(reasons)) if isdefined(reasons) else ''
