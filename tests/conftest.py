# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by all tests."""

import os
import signal
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# a shell that starts something in the background lets it ignore interruptions, and so all below it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope='session')
def real_data() -> Path:
    """Folder with real images and manual truth, named by SPINALPREP_TEST_DATA."""
    named = os.environ.get('SPINALPREP_TEST_DATA')
    folder = Path(named) if named else REPOSITORY.parent / 'shared' / 'data'
    if not (folder / 't2_cervical').is_dir():
        pytest.skip(f'real data not found at {folder}; SPINALPREP_TEST_DATA names the folder')
    return folder
