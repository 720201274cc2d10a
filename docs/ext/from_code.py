# SPDX-License-Identifier: Apache-2.0
"""Directives whose content is taken from the code, so that the pages can't go stale.

``{products}``, ``{names}``, ``{ignored}``, ``{labels}``, ``{policy}``, ``{numbers}``,
``{exit-codes}``, ``{sct-versions}``, ``{sct-tasks}``, ``{embedded-commands}``, ``{interfaces}``,
``{given-names}``: tables and lists.
``{cli-help} [SUBCOMMAND]``: what ``--help`` prints.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
import subprocess
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any, get_type_hints

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from spinalprep import bounds, description, givennames, naming, policy, products
from spinalprep.data import load
from spinalprep.embedded.__main__ import COMMANDS
from spinalprep.errors import ExitCode
from spinalprep.toolbox import TASKS, dialect_for


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown table; cells must not hold line breaks."""
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join(
        f'| {" | ".join(cell.replace("|", chr(92) + "|") for cell in line)} |' for line in lines
    )


def products_table() -> str:
    """One table per folder: file, content, when it is there."""
    entities, modality = {'sub': '01'}, 'T2w'
    text = []
    table_of_all = (*products.WRITTEN, *products.FIGURES)
    for folder in dict.fromkeys(item.folder for item in table_of_all):
        rows = []
        for item in table_of_all:
            if item.folder != folder:
                continue
            name = naming.file_name(item, entities, modality)
            space = {'cordref': 'cord reference', 'template': 'template'}[item.space]
            rows.append((f'`{name}`', item.description, space, products.CONDITIONS[item.when]))
        text += [f'### `{folder}/`', table(('file', 'content', 'grid', 'when'), rows)]
    return '\n\n'.join(text)


def names_table() -> str:
    """Each file under its names in both schemes."""
    rows = [
        [
            f'`{naming.location(item, {"sub": "01"}, "T2w", scheme=scheme).partition("/")[2]}`'
            for scheme in naming.SCHEMES
        ]
        for item in (*products.WRITTEN, *products.FIGURES)
    ]
    return table([f'`{scheme}`' for scheme in naming.SCHEMES], rows)


def ignored_table() -> str:
    """What a validator is told to leave alone, per scheme, and why."""
    reasons = {
        pattern: why for lines in description.IGNORED.values() for pattern, why in lines.items()
    }
    rows = [
        (
            f'`{pattern}`',
            ', '.join(
                f'`{name}`' for name in naming.SCHEMES if pattern in description.IGNORED[name]
            ),
            why,
        )
        for pattern, why in reasons.items()
    ]
    return table(('line', 'scheme', 'why'), rows)


def labels_table() -> str:
    """Values that masks, labels and points may hold."""
    rows = []
    for item in products.PRODUCTS:
        names = products.label_names(item)
        if names:
            words = ', '.join(f'{value} {name}' for value, name in names.items())
            rows.append((f'`{item.name}`', words))
    return table(('product', 'values beside 0'), rows)


def numbers_tables() -> str:
    """One table per substep: number, definition, bounds and their source."""
    text = []
    for substep in bounds.SUBSTEPS:
        rows = []
        for number in bounds.NUMBERS:
            if number.substep != substep:
                continue
            sign = '<' if number.low_is_bad else '>'
            limits = [
                '–' if value is None else f'{sign} {value:g} {number.unit}'.strip()
                for value in (number.warn, number.fail)
            ]
            rows.append((f'`{number.name}`', number.doc, *limits, number.source))
        header = ('number', 'definition', 'WARN', 'FAIL', 'source of the bounds')
        text += [f'## {substep}', table(header, rows)]
    return '\n\n'.join(text)


def policy_tables() -> str:
    """One table per section of the policy."""
    plain = policy.Policy().to_dict()
    hints = get_type_hints(policy.Policy)
    single, sections = [], []
    for field in dataclasses.fields(policy.Policy):
        kind = hints[field.name]
        if not dataclasses.is_dataclass(kind):
            single.append(_policy_row(field, kind, plain[field.name]))
            continue
        inner = get_type_hints(kind)
        rows = [
            _policy_row(key, inner[key.name], plain[field.name][key.name])
            for key in dataclasses.fields(kind)
        ]
        sections.append(f'## `{field.name}`\n\n{_prose(kind.__doc__)}\n\n{_keys(rows)}')
    return '\n\n'.join([*sections, f'## Top level\n\n{_keys(single)}'])


def _keys(rows: Iterable[Sequence[str]]) -> str:
    return table(('key', 'value', 'default', 'meaning'), rows)


def _policy_row(field: dataclasses.Field, kind: Any, default: Any) -> tuple[str, ...]:
    if dataclasses.is_dataclass(kind):
        words = f'{{{", ".join(f"{f.name}: number" for f in dataclasses.fields(kind))}}}'
    else:
        words = policy.describe_type(kind)
    shown = (
        yaml.safe_dump(default, default_flow_style=True, sort_keys=False)
        .removesuffix('...\n')
        .strip()
    )
    return f'`{field.name}`', words, f'`{shown}`', field.metadata['doc']


def _prose(docstring: str | None) -> str:
    return '\n\n'.join(
        ' '.join(line.strip() for line in part.splitlines())
        for part in (docstring or '').strip().split('\n\n')
    )


def exit_codes_table() -> str:
    """Exit codes; their meaning stands below each in the code."""
    told = ModuleAnalyzer.for_module('spinalprep.errors').find_attr_docs()
    rows = [(str(int(code)), ' '.join(told['ExitCode', code.name]).strip()) for code in ExitCode]
    return table(('code', 'meaning'), rows)


def _releases() -> list[str]:
    return list(yaml.safe_load(load('dialects.yaml').read_text(encoding='utf-8')))


def sct_versions_table() -> str:
    """What each release of SCT can do for us."""
    needs = {
        'cord': 'spinalcord',
        'vertebrae, discs and canal (TotalSpineSeg)': 'spine',
        'rootlets': 'rootlets',
        'registration by rootlets': 'lrootlet',
    }
    rows = [
        (release, *('–' if dialect_for(release).lacks(need) else 'yes' for need in needs.values()))
        for release in _releases()
    ]
    return table(('SCT', *needs), rows)


def sct_tasks_table() -> str:
    """What each release calls the segmentation tasks."""
    rows = []
    for release in _releases():
        dialect = dialect_for(release)
        form = 'sct_deepseg ' if dialect.row['deepseg_form'] == 'subcommand' else '-task '
        names = ('–' if dialect.lacks(t) else f'`{form}{dialect.task(t).name}`' for t in TASKS)
        rows.append((release, *names))
    return table(('SCT', *TASKS), rows)


def interfaces_list() -> str:
    """One section per SCT interface: an example, inputs and outputs."""
    from spinalprep.interfaces import sct
    from spinalprep.interfaces.sct.base import SCTInputSpec

    shared = set(SCTInputSpec().copyable_trait_names())
    text = ['### Inputs of all', _traits(SCTInputSpec, (), 'input')]
    for name in sct.__all__:
        interface = getattr(sct, name)
        if not getattr(interface, '_command', ''):
            continue
        prose, _, example = inspect.getdoc(interface).partition('Examples\n--------\n')
        text += [
            f'### `{name}`',
            _prose(prose).replace('``', '`'),
            f'```python\n{example.strip()}\n```' if example else '',
            _traits(interface.input_spec, shared, 'input'),
            _traits(interface.output_spec, {'no_result'}, 'output'),
        ]
    return '\n\n'.join(text)


def _traits(spec: type, without: Collection[str], title: str) -> str:
    """Table of the traits of a specification that are not told elsewhere."""
    traits = spec().traits(transient=None)
    rows = [
        (f'`{name}`', trait.desc or '') for name, trait in traits.items() if name not in without
    ]
    return table((title, 'meaning'), rows) if rows else ''


def embedded_commands() -> str:
    """Commands that the embedded SCT knows."""
    return ', '.join(f'`{name}`' for name in COMMANDS) + '.'


def given_names_table() -> str:
    """Names under which masks and labels are found that are used instead of being computed."""
    rows = []
    for name in products.PRECOMPUTABLE:
        cells = []
        for scheme in ('seed', 'bids', 'lab'):
            files = givennames.given_names(name, {'sub': '01'}, 'T2w', (scheme,))
            stems = dict.fromkeys(file.partition('.')[0] for file in files)
            cells.append(', '.join(f'`{stem.replace("sub-01", "SOURCE")}`' for stem in stems))
        rows.append((f'`{name}`', *cells))
    return table(('product', 'ours', 'BIDS', 'labs'), rows)


class FromCode(SphinxDirective):
    """A directive that puts generated Markdown in its place."""

    def run(self) -> list[nodes.Node]:
        """Parse what the code says."""
        text = GENERATORS[self.name]()
        found = self.parse_text_to_nodes(text, allow_section_headings=True)
        for part in found:
            for item in part.findall(nodes.table):
                item['classes'].append(self.name)
        return found


GENERATORS = {
    'products': products_table,
    'names': names_table,
    'ignored': ignored_table,
    'labels': labels_table,
    'numbers': numbers_tables,
    'policy': policy_tables,
    'exit-codes': exit_codes_table,
    'sct-versions': sct_versions_table,
    'sct-tasks': sct_tasks_table,
    'embedded-commands': embedded_commands,
    'interfaces': interfaces_list,
    'given-names': given_names_table,
}


class CliHelp(SphinxDirective):
    """What ``spinalprep [SUBCOMMAND] --help`` prints."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Ask the command line itself."""
        command = [*self.arguments, '--help']
        code = 'import sys; from spinalprep.cli.main import main; sys.exit(main(sys.argv[1:]))'
        finished = subprocess.run(
            [sys.executable, '-c', code, *command],
            env={**os.environ, 'COLUMNS': '88', 'NO_COLOR': '1', 'PYTHON_COLORS': '0'},
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise self.error(f'spinalprep {" ".join(command)}: {finished.stderr}')
        text = finished.stdout.replace('usage: -c', 'usage: spinalprep')
        return [nodes.literal_block(text, text, language='none')]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    for name in GENERATORS:
        app.add_directive(name, FromCode)
    app.add_directive('cli-help', CliHelp)
    return {'parallel_read_safe': True}
