# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration."""

import sys
from pathlib import Path

import spinalprep

sys.path.insert(0, str(Path(__file__).parent / 'ext'))

project = 'spinalprep'
author = 'The spinalprep developers'
copyright = '2026, the spinalprep developers'  # noqa: A001 - Sphinx's name
version = release = spinalprep.__version__

extensions = [
    'myst_parser',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'from_code',
]
exclude_patterns = ['_build', 'ext']

myst_enable_extensions = ['colon_fence', 'deflist']
myst_heading_anchors = 3

autodoc_typehints = 'none'
autodoc_member_order = 'bysource'
napoleon_google_docstring = False
napoleon_custom_sections = [
    ('Workflow Graph', 'Example'),
    ('Inputs', 'params_style'),
    ('Outputs', 'params_style'),
    ('Warns', 'warns'),
]

html_theme = 'furo'
html_title = f'spinalprep {version}'
html_static_path = ['_static']
html_css_files = ['tables.css']
html_show_sourcelink = False
html_show_sphinx = False
