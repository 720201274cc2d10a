# SPDX-License-Identifier: Apache-2.0
"""A file's hash is taken from memory, and never that of other content."""

import os

import pytest
from nipype.interfaces.base import File, TraitedSpec, specs

from spinalprep.hashing import remembered_hashes


class _Spec(TraitedSpec):
    in_file = File()


def hash_of(path):
    """As a node's inputs are hashed."""
    return _Spec(in_file=str(path)).get_hashval(hash_method='content')[1]


@pytest.fixture
def computed(monkeypatch):
    """Files that are read for their hash."""
    read = []
    compute = specs.hash_infile

    def counting(path, **options):
        read.append(path)
        return compute(path, **options)

    monkeypatch.setattr(specs, 'hash_infile', counting)
    return read


def test_the_same_file_is_read_once(tmp_path, computed):
    path = tmp_path / 'field.nii'
    path.write_bytes(b'content')
    alone = hash_of(path)
    computed.clear()
    with remembered_hashes():
        assert [hash_of(path) for _ in range(3)] == [alone] * 3
    assert len(computed) == 1
    hash_of(path)
    assert len(computed) > 1, 'nothing is remembered afterwards'


def test_other_content_has_another_hash_whatever_its_time(tmp_path):
    path = tmp_path / 'field.nii'
    path.write_bytes(b'content')
    os.utime(path, ns=(10**18, 10**18))
    with remembered_hashes():
        before = hash_of(path)
        path.write_bytes(b'CONTENT')
        os.utime(path, ns=(10**18, 10**18))
        after = hash_of(path)
        path.unlink()
        gone = hash_of(path)
    assert len({before, after, gone}) == 3


def test_a_copy_elsewhere_has_the_same_hash(tmp_path):
    for name in ('one', 'two'):
        (tmp_path / name).write_bytes(b'content')
    with remembered_hashes():
        assert hash_of(tmp_path / 'one') == hash_of(tmp_path / 'two')
