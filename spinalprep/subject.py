# SPDX-License-Identifier: Apache-2.0
"""One subject: try candidates, run the graph of each, and record whatever happened."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from spinalprep import atomic, execution, products, runs, sidecars
from spinalprep.crashes import Crash, advice, command_cut_off, report, substep_of
from spinalprep.demands import ImageSize
from spinalprep.errors import SpinalprepError
from spinalprep.given import GivenFile
from spinalprep.pages import write_subject_page
from spinalprep.record import COMPLETED, FAIL, FAILED, REJECTED, WARN, Record
from spinalprep.runs import Run
from spinalprep.selection import Candidate, Target
from spinalprep.unchanged import fingerprint


def run_target(target: Target, run: Run, listener: execution.Listener | None = None) -> Record:
    """Run one subject or session; its record is written however it ends.

    Parameters
    ----------
    target : Target
    run : Run
    listener : callable, optional
        Told of each node's start and end.

    Returns
    -------
    Record

    Raises
    ------
    KeyboardInterrupt
        Passed on, after the record of the interrupted run was written.
    """
    record = _new_record(target, run)
    start = runs.now()
    try:
        _note_state(run.layout.state(target.label), 'S2')
        run.remove_abandoned(target)
        run.remove_figures(target.entities)
        _try_candidates(target, run, record, listener)
    except SpinalprepError as error:
        _fail(record, type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001 - a subject's trouble must not stop the others
        name = type(error).__name__
        _fail(record, name, f'{name}: {error}\n{traceback.format_exc()}')
    except BaseException as error:
        _fail(record, type(error).__name__, str(error) or 'interrupted')
        raise
    finally:
        _finish(record, target, run, start)
    return record


def record_of_lost(
    target: Target, run: Run, error: Exception, start: datetime | None = None
) -> Record:
    """Write the record of a subject whose process could not.

    Parameters
    ----------
    target : Target
    run : Run
    error : Exception
        What is known of it.
    start : datetime, optional
        When it began, if it did.

    Returns
    -------
    Record
    """
    record = _new_record(target, run)
    name = type(error).__name__
    doing = atomic.read_json(run.layout.state(target.label))
    _fail(record, name, f'{name}: {error}', doing.get('substep', 'S2'))
    if start is not None:
        record.failure |= command_cut_off(run.layout.work / target.label, start)
    _finish(record, target, run, start or runs.now())
    return record


def _finish(record: Record, target: Target, run: Run, start: datetime) -> None:
    """What is known only at the end; then the record is written, and what shows it."""
    layout, label = run.layout, target.label
    record.figures = run.figures(target.entities)
    if record.status != COMPLETED:
        record.leftovers = run.leftovers(target.entities)
    _write_crash_report(record, layout.crash_report(label), layout.crash_log(label))
    end = runs.now()
    record.times = {
        'start': start.isoformat(timespec='seconds'),
        'end': end.isoformat(timespec='seconds'),
        'duration_s': round((end - start).total_seconds(), 1),
    }
    record.write(layout.record(label))
    layout.state(label).unlink(missing_ok=True)  # only now: else a kill would go unnoticed
    write_page(lambda: write_subject_page(layout, record.to_dict()))


def _write_crash_report(record: Record, path: Path, log: Path) -> None:
    """What failed and what to do, for people, and the command's log; none where nothing failed."""
    log.unlink(missing_ok=True)
    if record.failure is None:
        path.unlink(missing_ok=True)
        return
    if record.failure.get('log'):
        # working files may lie on a disk that is emptied when we end
        with suppress(OSError):  # one that is full: then it is named where it is
            atomic.copy(record.failure['log'], log)
            record.failure['log'] = str(log.absolute())
    atomic.write_text(path, report(record.label, record.failure))


def write_page(write: Callable[[], Path]) -> None:
    """Write a page; one that can't be written spoils no result."""
    try:
        write()
    except Exception as error:  # noqa: BLE001 - whatever it is, the record is there
        warnings.warn(f'a page was not written: {type(error).__name__}: {error}', stacklevel=2)


def _try_candidates(
    target: Target, run: Run, record: Record, listener: execution.Listener | None
) -> None:
    """Run the best candidate, and the next one when an image is rejected."""
    if not target.candidates:
        _reject(record, [target.why_skipped])
        return
    # as it is now: what is saved while the graph runs is not what the result rests on
    inputs = fingerprint((), **run.decided(target))
    for candidate, entry in zip(target.candidates, record.candidates, strict=True):
        entry['outcome'] = 'failed'
        given = run.given.of(target, candidate)
        record.precomputed = {name: item.facts() for name, item in given.items()}
        files = [candidate.path, *(item.path for item in given.values())]
        inputs['files'] |= fingerprint(files)['files']
        outcome = _run_candidate(candidate, target, run, given, record, listener)
        record.commands += outcome.commands
        rejecting = [crash for crash in outcome.crashes if crash.rejects]
        if not rejecting:
            _take(outcome, candidate, run, record)
            if record.status == COMPLETED:
                entry['outcome'], record.inputs = 'used', inputs
            return
        reason = rejecting[0].message.removeprefix(f'{candidate.path}: ')
        entry |= {'outcome': 'rejected', 'reason': reason}
    _reject(record, [f'{entry["path"]}: {entry["reason"]}' for entry in record.candidates])


def _run_candidate(
    candidate: Candidate,
    target: Target,
    run: Run,
    given: Mapping[str, GivenFile],
    record: Record,
    listener: execution.Listener | None,
) -> execution.Outcome:
    factory = run.factory
    if factory is None:
        from spinalprep.workflows import init_single_subject_wf as factory
    workflow = factory(
        anat=candidate.path,
        modality=candidate.modality,
        entities=dict(candidate.entities),
        policy=run.policy,
        toolbox=run.toolbox,
        derivatives_dir=run.layout.derivatives.absolute(),
        omp_nthreads=run.omp_nthreads,
        size=ImageSize.of(candidate.path, run.policy.crop),
        precomputed={name: item.path for name, item in given.items()},
        output_names=run.output_names,
        provenance=sidecars.provenance(
            source=run.uri(candidate.path),
            toolbox=run.toolbox_facts,
            template=run.template_facts(candidate.modality),
            policy_digest=run.policy.digest(),
            precomputed=record.precomputed,
        ),
    )
    if hasattr(workflow, 'visit_desc'):
        record.method = workflow.visit_desc().strip()
    workflow.base_dir = str(run.layout.work.absolute() / target.label / candidate.stem)
    return execution.run_graph(
        workflow,
        crash_dir=run.layout.crashes(target.label),
        log=run.layout.log(target.label),
        plugin=run.plugin,
        plugin_args=run.plugin_args,
        nprocs=run.nprocs,
        memory_gb=run.memory_gb,
        listener=_noting(run.layout.state(target.label), listener),
    )


def _note_state(path: Path, substep: str, node: str = '') -> None:
    """Leave in a file what is being done; one that stays tells of a run that was killed."""
    since = runs.now().isoformat(timespec='seconds')
    atomic.write_json(path, {'substep': substep, 'node': node, 'since': since})


def _noting(path: Path, listener: execution.Listener | None) -> execution.Listener:
    """A listener that also leaves the substep in a file, for ``status``."""
    last: list[str] = []

    def note(name: str, status: str) -> None:
        substep = substep_of(name)
        if status == 'start' and last != [substep]:
            last[:] = [substep]
            _note_state(path, substep, name)
        if listener is not None:
            listener(name, status)

    return note


def _take(outcome: execution.Outcome, candidate: Candidate, run: Run, record: Record) -> None:
    """Fill the record from what the candidate's graph left behind."""
    record.source = {
        'path': run.relative(candidate.path),
        'uri': run.uri(candidate.path),
        'modality': candidate.modality,
        'entities': dict(candidate.entities),
    }
    fatal = [crash for crash in outcome.crashes if not _is_figure(crash)]
    if fatal:
        _fail_by_crash(record, fatal[0])
    elif outcome.summary is None:
        _fail(record, 'NoResult', outcome.error or 'the graph ended without a result')
    else:
        record.figures = run.figures(dict(candidate.entities))
        _complete(outcome, record)
        expected = products.names(products.expected(record.to_dict(), products.PRODUCTS))
        missing = [name for name in expected if name not in record.products]
        if missing:
            _fail(record, 'NoResult', f'the graph ended without {", ".join(missing)}')


def _complete(outcome: execution.Outcome, record: Record) -> None:
    summary = outcome.summary or {}
    record.status = COMPLETED
    for name in (
        'verdict', 'reasons', 'spine', 'discs', 'levels', 'rootlets', 'registration',
        'template_maps', 'metrics', 'evidence', 'products',
    ):  # fmt: skip
        setattr(record, name, summary[name])
    notes = [f'a figure is missing: {crash.message}' for crash in outcome.crashes]
    figures = products.names(products.expected(record.to_dict(), products.FIGURES))
    missing = [name for name in figures if name not in record.figures]
    if missing and not notes:
        notes.append(f'figures are missing: {", ".join(missing)}')
    if record.verdict is None:
        notes.append('the result was not judged')
    if notes:
        record.reasons = [*record.reasons, *notes]
        record.verdict = FAIL if record.verdict == FAIL else WARN


def _is_figure(crash: Crash) -> bool:
    """Whether only a figure is missing, which spoils no number."""
    return crash.node.endswith('_report')


def _reject(record: Record, reasons: list[str]) -> None:
    record.status, record.reasons = REJECTED, reasons


def _fail_by_crash(record: Record, crash: Crash) -> None:
    _fail(record, crash.error.rpartition('.')[2], crash.message, crash.substep)
    record.failure = {
        **(record.failure or {}),
        'node': crash.node,
        'log': None,
        'crash_file': str(crash.file) if crash.file else None,
        **crash.command(),
    }


def _fail(record: Record, error: str, message: str, substep: str = 'S2') -> None:
    first, _, rest = message.partition('\n')
    record.status, record.verdict, record.products = FAILED, None, {}
    record.reasons = [f'{substep}: {first}']
    record.failure = {
        'substep': substep,
        'node': None,
        'error': error,
        'message': first,
        'details': rest.strip(),
        'advice': advice(error, message),
    }


def _new_record(target: Target, run: Run) -> Record:
    return Record(
        dataset=run.layout.dataset,
        subject=target.subject,
        session=target.session,
        layout=run.layout.kind,
        output_names=run.output_names,
        candidates=[
            {
                'path': run.relative(candidate.path),
                'modality': candidate.modality,
                'why': candidate.why,
                'outcome': 'not tried',
                'reason': '',
            }
            for candidate in target.candidates
        ],
        dropped=[
            {'path': run.relative(item.path), 'reason': item.reason} for item in target.dropped
        ],
        versions=run.versions,
        template_grid=run.template_grid(),
        policy={'digest': run.policy.digest(), 'values': run.policy.to_dict()},
    )
