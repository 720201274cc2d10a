# SPDX-License-Identifier: Apache-2.0
"""Working folders from which files have gone."""

import gzip
import pickle
from pathlib import Path

import pytest

from spinalprep.execution import run_graph
from spinalprep.incomplete import forget_incomplete
from tests.test_moved import graph


def stamps(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.rglob('_0x*.json')}


@pytest.mark.parametrize('plugin', ['linear', 'multiproc'])
def test_what_has_gone_is_made_again_and_nothing_else(tmp_path, plugin):
    def run():
        return run_graph(
            graph(work), crash_dir=tmp_path / 'crashes', log=tmp_path / 'log', plugin=plugin
        )

    work = tmp_path / 'work'
    run()
    before = stamps(work)
    (file,) = work.rglob('written.txt')
    file.unlink()
    outcome = run()
    assert (outcome.error, outcome.crashes) == (None, [])
    assert file.read_text() == 'text'
    after = stamps(work)
    assert after.keys() == before.keys()
    assert after['reader'] == before['reader'], 'its input has the same content again'


def test_a_whole_folder_is_left_alone_and_what_can_not_be_read_is_no_result(tmp_path):
    assert forget_incomplete(tmp_path / 'work') == []
    graph(tmp_path / 'work').run()
    assert forget_incomplete(tmp_path / 'work') == []
    (result,) = tmp_path.rglob('result_made.pklz')
    result.write_bytes(result.read_bytes()[:40])
    assert forget_incomplete(tmp_path / 'work') == [result.parent]
    assert forget_incomplete(tmp_path / 'work') == []


def test_files_elsewhere_are_not_looked_for(tmp_path):
    folder = tmp_path / 'work' / 'node'
    folder.mkdir(parents=True)
    (folder / '_0xabc.json').touch()
    result = Result()
    result.outputs = Outputs()
    result.outputs.found = {'in': ['/not/there/x.nii.gz', 7, None]}
    with gzip.open(folder / 'result_node.pklz', 'wb') as stream:
        pickle.dump(result, stream)
    assert forget_incomplete(tmp_path / 'work') == []
    result.outputs.found['in'].append(str(folder / 'gone.nii.gz'))
    with gzip.open(folder / 'result_node.pklz', 'wb') as stream:
        pickle.dump(result, stream)
    assert forget_incomplete(tmp_path / 'work') == [folder]


class Result:
    pass


class Outputs:
    pass
