# SPDX-License-Identifier: Apache-2.0
"""Working folders that were moved."""

import math
import pickle

import nipype.interfaces.utility as niu
import nipype.pipeline.engine as pe
import pytest

from spinalprep.moved import follow, replace_texts


def write(text):
    import os

    path = os.path.abspath('written.txt')
    with open(path, 'w') as stream:
        stream.write(text)
    return path


def read(path, others):
    with open(path) as stream:
        assert len(others) == 2
        return stream.read()


def graph(folder):
    """A file that is written, passed on, put into a list, and read."""
    workflow = pe.Workflow('moving', base_dir=str(folder))
    made = pe.Node(niu.Function(['text'], ['out'], function=write), name='made')
    made.inputs.text = 'text'
    passed = pe.Node(niu.Select(index=[0]), name='passed')
    listed = pe.Node(niu.Merge(2), name='listed')
    reader = pe.Node(niu.Function(['path', 'others'], ['out'], function=read), name='reader')
    workflow.connect(
        [
            (made, passed, [('out', 'inlist')]),
            (made, listed, [('out', 'in1'), ('out', 'in2')]),
            (passed, reader, [('out', 'path')]),
            (listed, reader, [('out', 'others')]),
        ]
    )
    workflow.config['execution'] = {'hash_method': 'content'}
    return workflow


def test_results_follow_their_folder(tmp_path):
    old = tmp_path / 'old'
    assert follow(old) == 0
    graph(old).run()
    stamps = {path.name: path.stat().st_mtime_ns for path in old.rglob('_0x*.json')}
    (tmp_path / 'a').mkdir()
    new = old.rename(tmp_path / 'a' / 'longer')
    assert follow(new) == 4
    assert follow(new) == 0
    graph(new).run()
    assert {path.name: path.stat().st_mtime_ns for path in new.rglob('_0x*.json')} == stamps


def test_a_link_to_the_folder_counts_as_a_name_of_it(tmp_path):
    real, link = tmp_path / 'real', tmp_path / 'link'
    real.mkdir()
    link.symlink_to(real)
    follow(link)
    graph(real).run()  # as some interfaces do, that resolve their folder
    moved = real.rename(tmp_path / 'moved')
    link.unlink()
    link.symlink_to(moved)
    assert follow(link) >= 3


@pytest.mark.parametrize(
    ('names', 'before', 'after'),
    [
        # the old name is the end of the new one: what was changed already stays as it is
        ({'/out/work/': '/data/out/work/'}, '/out/work/f', '/data/out/work/f'),
        ({'/out/work/': '/data/out/work/'}, '/data/out/work/f', '/data/out/work/f'),
        # a name with a link in it is the end of the one without
        (
            {'/scratch/me/w/': '/project/w/', '/lustre/scratch/me/w/': '/gpfs/project/w/'},
            '/lustre/scratch/me/w/f',
            '/gpfs/project/w/f',
        ),
    ],
)
def test_only_whole_names_are_replaced(names, before, after):
    assert pickle.loads(replace_texts(pickle.dumps([before]), names)) == [after]  # noqa: S301


def test_what_is_no_number_stays_so():
    before = {'path': '/old/x', 'dice': float('nan')}
    after = pickle.loads(replace_texts(pickle.dumps(before), {'/old/': '/new/'}))  # noqa: S301
    assert after['path'] == '/new/x'
    assert math.isnan(after['dice'])
