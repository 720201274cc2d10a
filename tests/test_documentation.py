# SPDX-License-Identifier: Apache-2.0
"""Commands, policies and names that the documentation shows are ones that the code takes."""

import ast
import re
import shlex

import pytest
import yaml

from spinalprep import naming, products
from spinalprep.cli.arguments import COMMANDS, bids_app_parser, parser
from spinalprep.datasets import by_scope
from spinalprep.plugins.choice import make_plugin, read_plugin_file
from spinalprep.policy import policy_from_dict
from tests.conftest import REPOSITORY

PAGES = [REPOSITORY / 'README.md', *sorted((REPOSITORY / 'docs').glob('*.md'))]


def _blocks(language):
    """Fenced blocks of all pages in a language, as (page, text)."""
    fence = re.compile(rf'^```{language}\n(.*?)^```', re.DOTALL | re.MULTILINE)
    return [(page.name, text) for page in PAGES for text in fence.findall(page.read_text())]


def _commands():
    for page, text in _blocks('console'):
        for line in text.replace('\\\n', ' ').splitlines():
            if line.startswith('$ spinalprep'):
                command = line[2:].partition(' #')[0]
                # optional parts as if they were given
                command = command.replace('[OPTIONS]', '').replace('[', '').replace(']', '')
                yield pytest.param(shlex.split(command)[1:], id=f'{page}: {command}')


@pytest.mark.parametrize('argv', list(_commands()))
def test_commands_are_understood(argv):
    chosen = parser() if argv[0] in COMMANDS else bids_app_parser()
    assert chosen.parse_args(argv).command


def test_there_are_commands_to_test():
    assert len(list(_commands())) >= 10


@pytest.mark.parametrize(('page', 'text'), _blocks('yaml'))
def test_yaml_is_taken(page, text, tmp_path):
    content = yaml.safe_load(text)
    if 'datasets' in content:
        (tmp_path / 'datasets.yaml').write_text(text)
        local = tmp_path / 'local.yaml'
        local.write_text(yaml.safe_dump({'pilot': str(tmp_path)}))
        assert [item.dataset.key for item in by_scope('reg', local)] == ['mystudy', 'pilot']
        assert [item.dataset.key for item in by_scope('full', local)] == ['pilot']
    elif 'plugin' in content:
        (tmp_path / 'plugin.yaml').write_text(text)
        made = make_plugin(*read_plugin_file(tmp_path / 'plugin.yaml'))
        assert made.max_jobs == content['plugin_args']['max_jobs']
    elif page == 'commandline.md':
        assert set(content) == {'mystudy', 'pilot'}
    else:
        assert policy_from_dict(content) != policy_from_dict({})


@pytest.mark.parametrize(('page', 'text'), _blocks('python'))
def test_python_imports_what_is_there(page, text):
    imports = [node for node in ast.parse(text).body if isinstance(node, ast.ImportFrom)]
    for node in imports:
        exec(compile(ast.Module([node], []), page, 'exec'), {})  # noqa: S102


def test_readme_names_real_products():
    shown = re.findall(r'sub-01_\S+(?:\.nii\.gz|\.tsv)', (REPOSITORY / 'README.md').read_text())
    real = {naming.file_name(item, {'sub': '01'}, 'T2w') for item in products.PRODUCTS}
    assert len(shown) >= 12
    assert set(shown) <= real


def test_policy_file_names_every_key():
    """The packaged policy spells out what the page shows as default."""
    packaged = yaml.safe_load((REPOSITORY / 'spinalprep' / 'data' / 'policy.yaml').read_text())
    assert policy_from_dict(packaged) == policy_from_dict({})
    assert packaged.keys() == policy_from_dict({}).to_dict().keys()
