# SPDX-License-Identifier: Apache-2.0
"""Pages and the dataset's table: every fate has its page, and what comes from files is escaped."""

import base64
import csv
import io
import json
import multiprocessing
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image, ImageSequence

from spinalprep.cli.main import main
from spinalprep.errors import ExitCode
from spinalprep.pages import write_dataset_page, write_subject_page
from spinalprep.pages.dataset import columns, content, descriptions
from spinalprep.pages.pictures import frames
from spinalprep.pages.references import cited, references
from spinalprep.pages.write import read_records
from spinalprep.products import FIGURES
from tests.pages.conftest import HOSTILE


class Page(HTMLParser):
    """Elements of a page with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], ''
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(layout, label):
    return Page((layout.derivatives / f'{label}.html').read_text(encoding='utf-8'))


@pytest.fixture
def layout(made, tmp_path):
    shutil.copytree(made.out, tmp_path / 'out')
    return replace(made, out=tmp_path / 'out')


def test_a_page_stands_alone(made):
    page = page_of(made, 'sub-01')
    sources = [image['src'] for image in page.all('img')]
    assert len(sources) == len(FIGURES)
    assert all(source.startswith('data:image/') for source in sources)
    assert all(image['alt'] for image in page.all('img'))
    assert not [script for script in page.all('script') if 'src' in script]
    links = [link['href'] for link in page.all('a')]
    assert all(re.match(r'#|index\.html$|https://doi\.org/', link) for link in links)
    assert len(page.all('h1')) == 1


def test_the_verdict_comes_first_and_the_evidence_with_its_bounds(made):
    page = page_of(made, 'sub-11_ses-a')
    text = ' '.join(page.text.split())
    assert text.index('WARN') < text.index('Figures') < text.index('Evidence')
    assert 'cord_snr' in text
    assert '< 6' in text
    assert 'fault study' in text


@pytest.mark.parametrize(
    ('label', 'words'),
    [
        ('sub-12', ['FAIL', 'folded', 'a figure is missing']),
        ('sub-13', ['rejected', 'too little cord']),
        ('sub-14', ['failed', 'the disk is full', 'S2.4 registration', 'MemoryError']),
    ],
)
def test_what_failed_has_a_page_with_the_reason(made, label, words):
    text = page_of(made, label).text
    for word in words:
        assert word in text


def test_hostile_words_stay_words(made):
    for name in ('sub-11_ses-a', 'index'):
        page = page_of(made, name)
        assert not [image for image in page.all('img') if image.get('src') == 'x']
        assert len(page.all('script')) == (1 if name != 'index' else 2)
    assert HOSTILE in page_of(made, 'sub-11_ses-a').text


def test_a_broken_figure_is_told(layout):
    record = read_records(layout)[0]
    path = layout.derivatives / record['figures']['figure_spine'][0]
    path.write_bytes(path.read_bytes()[:20])
    write_subject_page(layout, record)
    page = page_of(layout, 'sub-01')
    assert 'can not be shown' in page.text
    assert len(page.all('img')) == len(FIGURES) - 1


def test_the_table_has_a_row_per_subject_and_describes_its_columns(made):
    with (made.derivatives / 'group_S2.tsv').open(encoding='utf-8', newline='') as stream:
        rows = {row['participant_id']: row for row in csv.DictReader(stream, delimiter='\t')}
    assert len(rows) == 12
    assert rows['sub-11']['session_id'] == 'ses-a'
    assert rows['sub-01']['cord_snr'] == '21'
    assert rows['sub-01']['cord_gap_slices'] == rows['sub-13']['cord_snr'] == 'n/a'
    assert rows['sub-14']['status'] == 'failed'
    assert rows['sub-14']['verdict'] == 'n/a'
    described = json.loads((made.derivatives / 'group_S2.json').read_text())
    assert described == descriptions()
    assert set(rows['sub-01']) == set(described)
    assert set(columns()) < set(described)


def test_the_page_of_the_dataset_holds_all_rows(made):
    text = (made.derivatives / 'index.html').read_text(encoding='utf-8')
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    grades = {row['label']: row['grade'] for row in data['rows']}
    assert grades['sub-01'] == 'PASS'
    assert grades['sub-11_ses-a'] == 'WARN'
    assert grades['sub-13'] == 'rejected'
    assert {'cord_snr'} < {column['name'] for column in data['columns'] if column['main']}


def test_a_subject_that_came_not_far_shows_how_far(made):
    record = next(r for r in read_records(made) if len(r['figures']) == len(FIGURES))
    crop = {'figure_crop_box': record['figures']['figure_crop_box']}
    for figures, names in (
        (record['figures'], ['figure_cord_mask', 'figure_overlay']),
        (crop, ['figure_crop_box']),
        ({}, []),
    ):
        (row,) = content([{**record, 'figures': figures}], 'ds')['data']['rows']
        assert [figure['name'] for figure in row['figures']] == names


def test_names_of_commands_are_set_as_such(layout):
    path = layout.record('sub-01')
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {'method': 'Found by `sct_deepseg` <b>.'}))
    (known,) = (r for r in read_records(layout) if r['subject'] == '01')
    write_subject_page(layout, known)
    text = (layout.derivatives / 'sub-01.html').read_text(encoding='utf-8')
    assert '<p>Found by <code>sct_deepseg</code> &lt;b&gt;.</p>' in text


def write_again(layout):
    for _ in range(5):
        write_dataset_page(layout)


def test_runs_side_by_side_leave_a_whole_page(layout):
    with multiprocessing.Pool(4) as pool:
        pool.map(write_again, [layout] * 4)
    text = (layout.derivatives / 'index.html').read_text(encoding='utf-8')
    assert text.endswith('</html>')
    assert not list(layout.derivatives.glob('.*.part'))


def test_what_is_cited_is_what_ran():
    record = {
        'versions': {'sct_kind': 'installed'},
        'commands': [{'command': 'sct_deepseg', 'argv': ['sct_deepseg', 'spinalcord', '-i', 'x']}],
        'registration': {'path': 'disc'},
    }
    dois = {item['doi'] for item in references(cited(record))}
    assert '10.1016/j.neuroimage.2017.10.041' in dois  # PAM50
    assert '10.1016/j.media.2025.103473' in dois  # contrast-agnostic
    assert '10.1162/imag_a_00218' not in dois  # rootlets
    assert '10.3389/fneur.2016.00238' not in dois  # spinal levels
    record['registration']['path'] = 'rootlet'
    record['template_maps'] = {'spinal_levels_of_template': {'status': 'computed', 'reason': ''}}
    assert cited(record)[-3:] == ['rootlet_registration', 'pam50', 'spinal_levels']
    record['versions']['sct_kind'] = 'embedded'
    assert cited(record) == ['nipype']


def test_the_report_is_made_again(layout, capsys):
    (layout.derivatives / 'index.html').unlink()
    (layout.derivatives / 'sub-13.html').unlink()
    assert main(['report', '--out', str(layout.out), '--pages-only']) == ExitCode.OK
    assert capsys.readouterr().out == f'{layout.derivatives / "index.html"}\n'
    assert (layout.derivatives / 'sub-13.html').is_file()
    assert main(['report', '--out', str(layout.out), '--dataset-key', 'other']) == (
        ExitCode.NOTHING_TO_RUN
    )
    assert 'no run of dataset other' in capsys.readouterr().err


def test_frames_one_above_the_other_are_those_of_the_animation(tmp_path):
    pictures = []
    for number in range(3):
        picture = np.full((20, 30, 3), 40, np.uint8)
        picture[2 + 5 * number : 6 + 5 * number, 4:20] = (250, 10 * number, 90)
        pictures.append(picture)
    palette = Image.fromarray(np.concatenate(pictures)).quantize(256)
    first, *rest = (Image.fromarray(picture).quantize(palette=palette) for picture in pictures)
    options = {'save_all': True, 'append_images': rest, 'duration': 100, 'optimize': False}
    first.save(tmp_path / 'a.gif', **options)
    with Image.open(tmp_path / 'a.gif') as gif:
        whole = [np.asarray(frame.convert('RGB')) for frame in ImageSequence.Iterator(gif)]
    shown, large = (Image.new('RGBA', (width, width * 2 // 3)) for width in (30, 45))
    uris = frames(tmp_path / 'a.gif')
    assert len(uris) == 3
    for number, (uri, picture) in enumerate(zip(uris, whole, strict=True)):
        kind, content = uri.split(',')
        assert kind == 'data:image/png;base64'
        part = Image.open(io.BytesIO(base64.b64decode(content))).convert('RGBA')
        assert (np.asarray(part)[..., 3] == 0).any() == (number > 0)
        shown = Image.alpha_composite(shown, part)
        assert np.abs(np.asarray(shown.convert('RGB')).astype(int) - picture).max() <= 6
        # also where a browser enlarges them, and mixes a change's edge with what is beside it
        large = Image.alpha_composite(large, part.resize(large.size, Image.Resampling.BILINEAR))
        wanted = Image.fromarray(picture).resize(large.size, Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(large.convert('RGB')).astype(int) - wanted).max() <= 6
