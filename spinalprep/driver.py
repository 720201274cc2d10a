# SPDX-License-Identifier: Apache-2.0
"""One graph per subject and session: try candidates, run, and record whatever happened."""

from __future__ import annotations

import json
import shutil
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spinalprep import __version__, atomic, execution, products, runs, sidecars
from spinalprep.crashes import Crash, advice, report, substep_of
from spinalprep.errors import SpinalprepError
from spinalprep.locks import Held, held
from spinalprep.pages import write_dataset_page, write_subject_page
from spinalprep.record import COMPLETED, FAIL, FAILED, REJECTED, WARN, Record
from spinalprep.runs import Run
from spinalprep.selection import Candidate, Target
from spinalprep.unchanged import fingerprint, unchanged


@dataclass(frozen=True)
class Listeners:
    """What a run tells while it goes on."""

    started: Callable[[Target], None] = lambda target: None
    waiting: Callable[[Target, str], None] = lambda target, owner: None
    """Told who else is at work on it."""
    node: execution.Listener = lambda name, status: None
    ended: Callable[[Record], None] = lambda record: None


def run_targets(
    targets: Sequence[Target], run: Run, listeners: Listeners | None = None
) -> list[Record]:
    """Run subjects and sessions, one after the other.

    Parameters
    ----------
    targets : sequence of Target
        Those without candidates are skipped, unless they were asked for.
    run : Run
    listeners : Listeners, optional

    Returns
    -------
    list of Record
        One per target that was not skipped, each already written.
    """
    listeners = listeners or Listeners()
    chosen = [target for target in targets if target.candidates or target.asked]
    if run.again == 'failed':
        chosen = [target for target in chosen if not _completed(target, run)]
    runs.write_description(run)
    runs.write_selection(targets, chosen, run)
    found: dict[str, Record] = {}
    busy = []
    for target in chosen:
        try:
            found[target.label] = _run_once(target, run, listeners)
        except Held as other:
            listeners.waiting(target, other.owner)
            busy.append(target)
    for target in busy:
        found[target.label] = _run_once(target, run, listeners, wait=True)
    _write_page(lambda: write_dataset_page(run.layout))
    return [found[target.label] for target in chosen]


def _completed(target: Target, run: Run) -> bool:
    """Whether the last run of a subject completed, by its record."""
    try:
        content = json.loads(run.layout.record(target.label).read_text(encoding='utf-8'))
        return content['status'] == COMPLETED
    except (OSError, ValueError, KeyError):
        return False


def _run_once(target: Target, run: Run, listeners: Listeners, *, wait: bool = False) -> Record:
    """Run a subject while nobody else does; take its last result where that still holds.

    Raises
    ------
    Held
        If another process runs it, and we are not to wait.
    """
    layout = run.layout
    work = layout.work / target.label
    with held(layout.lock(target.label), wait=wait):
        if run.again != 'all':
            known = unchanged(
                layout.record(target.label), layout.derivatives, **run.decided(target)
            )
            if known is not None:
                known.reused = True
                listeners.ended(known)
                return known
        # the working folder may be shared with a run whose results go elsewhere
        with held(work.with_name(f'{work.name}.lock'), wait=True):
            listeners.started(target)
            _forget_other_versions(work)
            record = run_target(target, run, listeners.node)
            if run.clean_work and record.status == COMPLETED:
                shutil.rmtree(work, ignore_errors=True)
    listeners.ended(record)
    return record


def _forget_other_versions(work: Path) -> None:
    """Remove what another version of this software computed: its nodes may do other things."""
    marker = work / 'version'
    if work.is_dir() and (not marker.is_file() or marker.read_text() != __version__):
        shutil.rmtree(work)
    atomic.write_text(marker, __version__)


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
        run.remove_figures(target.entities)
        _try_candidates(target, run, record, listener)
    except SpinalprepError as error:
        _fail(record, type(error).__name__, str(error))
    except Exception as error:  # noqa: BLE001 - a subject's trouble must not stop the others
        name = type(error).__name__
        _fail(record, name, f'{name}: {error}\n{traceback.format_exc()}')
    except BaseException as error:
        _fail(record, type(error).__name__, 'interrupted')
        raise
    finally:
        run.layout.state(target.label).unlink(missing_ok=True)
        record.figures = run.figures(target.entities)
        if record.status == COMPLETED:
            record.inputs = fingerprint(_inputs(target, record), **run.decided(target))
        else:
            record.leftovers = run.leftovers(target.entities)
        _write_crash_report(record, run.layout.crash_report(target.label))
        end = runs.now()
        record.times = {
            'start': start.isoformat(timespec='seconds'),
            'end': end.isoformat(timespec='seconds'),
            'duration_s': round((end - start).total_seconds(), 1),
        }
        record.write(run.layout.record(target.label))
        _write_page(lambda: write_subject_page(run.layout, record.to_dict()))
    return record


def _inputs(target: Target, record: Record) -> list[Path]:
    """Files that the result rests on: the images tried, and what was given."""
    tried = [
        candidate.path
        for candidate, entry in zip(target.candidates, record.candidates, strict=True)
        if entry['outcome'] != 'not tried'
    ]
    return [*tried, *map(Path, record.precomputed.values())]


def _write_crash_report(record: Record, path: Path) -> None:
    """What failed and what to do, for people; none where nothing failed."""
    if record.failure is None:
        path.unlink(missing_ok=True)
    else:
        atomic.write_text(path, report(record.label, record.failure))


def _write_page(write: Callable[[], Path]) -> None:
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
    given = runs.resolve_precomputed(run.precomputed, target)
    record.precomputed = {name: str(path) for name, path in given.items()}
    for candidate, entry in zip(target.candidates, record.candidates, strict=True):
        entry['outcome'] = 'failed'
        outcome = _run_candidate(candidate, target, run, given, record, listener)
        record.commands += outcome.commands
        rejecting = [crash for crash in outcome.crashes if crash.rejects]
        if not rejecting:
            _take(outcome, candidate, run, record)
            if record.status == COMPLETED:
                entry['outcome'] = 'used'
            return
        reason = rejecting[0].message.removeprefix(f'{candidate.path}: ')
        entry |= {'outcome': 'rejected', 'reason': reason}
    _reject(record, [f'{entry["path"]}: {entry["reason"]}' for entry in record.candidates])


def _run_candidate(
    candidate: Candidate,
    target: Target,
    run: Run,
    given: Mapping[str, Path],
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
        precomputed=dict(given),
        provenance=sidecars.provenance(
            source=run.uri(candidate.path),
            toolbox=run.toolbox_facts,
            template=run.template_facts,
            policy_digest=run.policy.digest(),
            precomputed={name: str(path) for name, path in given.items()},
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
        nprocs=run.nprocs,
        listener=_noting(run.layout.state(target.label), listener),
    )


def _noting(path: Path, listener: execution.Listener | None) -> execution.Listener:
    """A listener that also leaves the substep in a file, for ``status``."""
    last: list[str] = []

    def note(name: str, status: str) -> None:
        substep = substep_of(name)
        if status == 'start' and last != [substep]:
            last[:] = [substep]
            since = runs.now().isoformat(timespec='seconds')
            atomic.write_json(path, {'substep': substep, 'node': name, 'since': since})
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
        expected = products.names(products.expected(record.to_dict()))
        missing = [name for name in expected if name not in record.products]
        if missing:
            _fail(record, 'NoResult', f'the graph ended without {", ".join(missing)}')


def _complete(outcome: execution.Outcome, record: Record) -> None:
    summary = outcome.summary or {}
    record.status = COMPLETED
    for name in (
        'verdict', 'reasons', 'spine', 'discs', 'levels', 'rootlets', 'registration', 'metrics',
        'evidence', 'products',
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
    log = crash.folder / 'command.log' if crash.folder else None
    record.failure = {
        **(record.failure or {}),
        'node': crash.node,
        'log': str(log) if log and log.is_file() else None,
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
