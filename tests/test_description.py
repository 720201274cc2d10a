# SPDX-License-Identifier: Apache-2.0
"""What stands beside the subjects: content, and whole at every moment whoever writes."""

import dataclasses
import json
import multiprocessing

import pytest

from spinalprep import description, runs
from spinalprep.description import IGNORED, bidsignore, dataset_description, source_folder
from spinalprep.given import GivenFiles
from spinalprep.layout import Layout
from spinalprep.naming import SCHEMES
from spinalprep.policy import Policy
from spinalprep.toolbox import Toolbox

WRITERS, TIMES = 8, 50


@pytest.fixture
def run(tmp_path):
    (tmp_path / 'a dataset').mkdir()
    return runs.Run(
        layout=Layout(tmp_path / 'out', 'ds', 'run'),
        bids_dir=tmp_path / 'a dataset',
        policy=Policy(),
        toolbox=Toolbox.example('7.2'),
    )


@pytest.mark.parametrize('name', ['ds', 'a data set', 'Rückenmark #1 100%25', 'odd \udcff'])
def test_derivatives_know_what_they_were_made_from(run, name):
    bids_dir = run.bids_dir / name
    assert source_folder(run.layout.derivatives) is None
    runs.write_description(dataclasses.replace(run, bids_dir=bids_dir))
    assert source_folder(run.layout.derivatives) == bids_dir


@pytest.mark.parametrize(
    'links', [None, [], {}, {'raw': 3}, {'raw': 'doi:10.1'}, {'raw': '../..'}]
)
def test_derivatives_of_others_need_not_tell(tmp_path, links):
    (tmp_path / 'dataset_description.json').write_text(json.dumps({'DatasetLinks': links}))
    assert source_folder(tmp_path) is None


def test_licence_and_doi_come_from_the_source(run):
    raw = {'Name': 'x', 'License': 'CC0', 'DatasetDOI': 'doi:10.18112/openneuro.ds000001.v1'}
    (run.bids_dir / 'dataset_description.json').write_text(json.dumps(raw))
    facts = {'kind': 'container', 'version': '7.2', 'container': {'Type': 'docker', 'URI': 'sct'}}
    template = run.bids_dir / 'PAM50'
    content = dataset_description('ds', facts, run.bids_dir, template)
    url = run.bids_dir.as_uri()
    assert content['DatasetType'] == 'derivative'
    assert content['License'] == 'CC0'
    assert content['SourceDatasets'] == [{'URL': url, 'DOI': raw['DatasetDOI']}]
    assert content['DatasetLinks'] == {'raw': url, 'template': template.as_uri()}
    assert '%20' in url
    ours, sct = content['GeneratedBy']
    assert ours['Name'] == 'spinalprep'
    assert sct == {
        'Name': 'Spinal Cord Toolbox',
        'Version': '7.2',
        'Container': facts['container'],
    }


@pytest.mark.parametrize('raw', [None, 'no JSON', '[]', '{"License": ""}'])
def test_a_source_that_says_nothing_is_taken_as_it_is(run, raw):
    if raw is not None:
        (run.bids_dir / 'dataset_description.json').write_text(raw)
    content = dataset_description('ds', {}, run.bids_dir, None)
    assert 'License' not in content
    assert content['SourceDatasets'] == [{'URL': run.bids_dir.as_uri()}]
    assert content['DatasetLinks'] == {'raw': run.bids_dir.as_uri()}


@pytest.mark.parametrize('scheme', SCHEMES)
def test_each_scheme_has_its_list_of_what_is_ignored(run, scheme):
    path = run.layout.derivatives / '.bidsignore'
    path.parent.mkdir(parents=True)
    path.write_text('mine.txt\n')
    for name in (*SCHEMES, scheme):  # no line of the other scheme is left
        runs.write_description(dataclasses.replace(run, output_names=name))
    lines = path.read_text().splitlines()
    assert lines == [*IGNORED[scheme], 'mine.txt']
    assert ('anat' in lines) == (scheme == 'seed')


@pytest.mark.parametrize('name', ['README', 'README.md'])
def test_a_readme_of_the_user_stays(run, name):
    run.layout.derivatives.mkdir(parents=True)
    (run.layout.derivatives / name).write_text('mine')
    runs.write_description(run)
    assert {path.name for path in run.layout.derivatives.glob('README*')} == {name}
    assert (run.layout.derivatives / name).read_text() == 'mine'


def test_names_that_sidecars_of_earlier_runs_use_stay_linked(run, tmp_path):
    earlier = {'old': tmp_path / 'old', 'v1': tmp_path / 'v1'}
    runs.write_description(dataclasses.replace(run, given=GivenFiles(derivatives=earlier)))
    moved = {'v1': tmp_path / 'moved'}
    runs.write_description(dataclasses.replace(run, given=GivenFiles(derivatives=moved)))
    runs.write_description(run)
    content = json.loads((run.layout.derivatives / 'dataset_description.json').read_text())
    assert content['DatasetLinks'] == {
        'raw': run.bids_dir.as_uri(),
        'template': run.toolbox.template.as_uri(),
        'old': earlier['old'].as_uri(),
        'v1': moved['v1'].as_uri(),
    }


def _write(run, barrier, number):
    """Write again and again, each time something else than before."""
    barrier.wait()
    for time in range(TIMES):
        toolbox = dataclasses.replace(
            run.toolbox, version=f'7.{number * TIMES + time}' + '0' * 5000
        )
        other = dataclasses.replace(run, toolbox=toolbox, output_names=SCHEMES[time % 2])
        runs.write_description(other)


def test_eight_that_write_at_once_leave_whole_files_at_every_moment(run):
    context = multiprocessing.get_context('fork')
    barrier = context.Barrier(WRITERS)
    root = run.layout.derivatives
    runs.write_description(run)
    processes = [
        context.Process(target=_write, args=(run, barrier, number)) for number in range(WRITERS)
    ]
    for process in processes:
        process.start()
    seen = set()
    while any(process.is_alive() for process in processes):
        content = json.loads((root / 'dataset_description.json').read_text())
        assert content['DatasetType'] == 'derivative'
        seen.add(content['GeneratedBy'][1]['Version'])
        assert (root / '.bidsignore').read_text() in map(bidsignore, SCHEMES)
        assert (root / 'README').read_text() == description.README
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * WRITERS
    assert len(seen) > WRITERS
    assert {path.name for path in root.iterdir()} == {
        'dataset_description.json', '.bidsignore', 'README',
    }  # fmt: skip
