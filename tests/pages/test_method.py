# SPDX-License-Identifier: Apache-2.0
"""Method and references: from records, once, for pages and for papers."""

import doctest
import json
import re

from spinalprep.pages import references
from spinalprep.pages.method import citation_files, method_of
from spinalprep.pages.references import bibtex, table
from tests.conftest import REPOSITORY


def record(subject='01', **changes):
    """What a record holds that the method rests on."""
    return {
        'subject': subject,
        'session': None,
        'status': 'completed',
        'method': 'The cord was\nsegmented.\n',
        'versions': {
            'spinalprep': '0.1.0', 'sct': '7.2', 'sct_kind': 'installed', 'nipype': '1.11.0',
            'template': 'PAM50@abc', 'models': {'spinalcord': 'cord@1', 'spine': ''},
        },
        'commands': [],
        'precomputed': {},
        'rootlets': {'status': 'computed', 'reason': ''},
        'registration': {'path': 'rootlet', 'other': 'disc'},
        'template_maps': {'cord_of_template': {'status': 'computed', 'reason': ''}},
        **changes,
    }  # fmt: skip


def test_examples():
    assert doctest.testmod(references).failed == 0


def test_the_method_is_what_was_run():
    assert method_of(record()) == [
        'The cord was segmented.',
        'The registration by rootlets was taken; that by discs gave a result, too.',
        (
            'Software: spinalprep 0.1.0, SCT 7.2 with the networks cord@1, Nipype 1.11.0; '
            'template PAM50@abc.'
        ),
    ]
    told = method_of(
        record(
            rootlets={'status': 'not eligible', 'reason': 'T1w is not among rootlets.modalities'},
            registration={'path': 'disc', 'other': None},
            template_maps={
                'horn_left_dorsal': {'status': 'absent', 'reason': 'no atlas'},
                'horns_dseg': {'status': 'absent', 'reason': 'no atlas'},
            },
        )
    )[1]
    assert told == (
        'There were no rootlets: T1w is not among rootlets.modalities. The registration by discs '
        'was taken. Absent: horn_left_dorsal, horns_dseg (no atlas).'
    )


def test_subjects_that_were_treated_alike_stand_together():
    other = record('03', registration={'path': 'disc', 'other': None})
    failed = record('04', status='failed')
    markdown, entries = citation_files([record('01'), record('02'), other, failed], 'ds')
    headings = re.findall(r'^## (.*)$', markdown, re.MULTILINE)
    assert headings == ['sub-01, sub-02', 'sub-03', 'Without a result', 'References']
    assert 'sub-04 (failed)' in markdown
    keys = re.findall(r'^@article{(\w+),$', entries, re.MULTILINE)
    assert keys == ['nipype', 'sct', 'rootlet_registration', 'pam50']
    assert len(re.findall(r'^- .* <https://doi\.org/10\.\S+>$', markdown, re.MULTILINE)) == 4


def test_nothing_completed_cites_nothing():
    markdown, entries = citation_files([record(status='rejected')], 'ds')
    assert '## References' not in markdown
    assert entries == ''


def test_every_reference_has_what_a_reader_needs():
    for key, item in table().items():
        assert {'author', 'title', 'journal', 'year', 'doi'} <= item.keys(), key
        assert re.fullmatch(r'10\.\d{4,}/\S+', item['doi']), key
    entries = bibtex(table())
    assert entries.count('{') == entries.count('}')
    assert len({item['doi'] for item in table().values()}) == len(table())


def test_readme_cites_from_the_table():
    text = (REPOSITORY / 'README.md').read_text().partition('## Citing')[2].partition('\n## ')[0]
    assert 'CITATION.md' in text
    assert not re.findall(r'doi\.org', text)


def test_a_run_writes_both_files_for_its_dataset(made):
    markdown = made.citation.read_text()
    entries = made.citation.with_suffix('.bib').read_text()
    completed = [
        path.stem
        for path in made.logs.glob('sub-*.json')
        if json.loads(path.read_text())['status'] == 'completed'
    ]
    listed = markdown.partition('## Without a result')[0]
    assert all(re.search(rf'\b{label}\b', listed) for label in completed)
    assert 'sub-13 (rejected)' in markdown
    assert '@article{sct,' in entries
