# SPDX-License-Identifier: Apache-2.0
"""A stand-in for SCT: commands that replay a recorded run, or do what a test tells them.

The recorded runs (``sct_runs`` in the test data) hold what the real commands printed, how they
ended, and what they wrote. Files that are not stored there are made up from their description.
"""

import json
import shutil
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

from spinalprep.toolbox import Toolbox

REPLAY = """#!{python}
import json, shutil, sys
from pathlib import Path
root = Path(__file__).resolve().parent.parent
plan = json.loads((root / 'plan.json').read_text())
argv = sys.argv[1:]
with (root / 'calls.jsonl').open('a') as stream:
    print(json.dumps([Path(sys.argv[0]).name, *argv]), file=stream)

def value(arguments, flag):
    return Path(arguments[arguments.index(flag) + 1]) if flag in arguments else None

def stem(path):
    return path.name.split('.')[0]

sys.stdout.write(Path(plan['stdout']).read_text())
sys.stdout.flush()
sys.stderr.write(Path(plan['stderr']).read_text())
then = plan['argv'][1:]
for source, name in plan['files']:
    name = Path(name)
    old_folder, old_file = value(then, '-ofolder'), value(then, '-o')
    new_folder, new_file = value(argv, '-ofolder'), value(argv, '-o')
    if old_folder and new_folder and name.is_relative_to(old_folder):
        target = new_folder / name.relative_to(old_folder)
    elif new_file and old_file and stem(name).startswith(stem(old_file)):
        rest = name.name[len(stem(old_file)):]
        target = new_file.with_name(stem(new_file) + rest)
    elif new_file and not old_file:
        rest = name.name[len(stem(name)):]
        target = new_file.with_name(stem(new_file) + rest)
    else:
        target = Path(name.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
sys.exit(plan['exit_code'])
"""


def fake_sct(
    folder: Path,
    scripts: dict[str, str] | None = None,
    *,
    version: str = '7.4.dev0',
    template: Path | None = None,
) -> Toolbox:
    """Make a folder that looks like an SCT installation.

    Parameters
    ----------
    folder
        Where; it is made.
    scripts
        Command to the text of its program (Python; the shebang is added if there is none).
    version
        What ``version.txt`` says.
    template
        Template of the toolbox.
    """
    (folder / 'bin').mkdir(parents=True)
    (folder / 'spinalcordtoolbox').mkdir()
    (folder / 'spinalcordtoolbox' / 'version.txt').write_text(version + '\n')
    for command, text in {'sct_version': f'print({version!r})', **(scripts or {})}.items():
        program = folder / 'bin' / command
        shebang = '' if text.startswith('#!') else f'#!{sys.executable} -S\n'
        program.write_text(shebang + text)
        program.chmod(0o755)
    return Toolbox(
        kind='installed',
        version=version,
        root=folder,
        template=template,
        template_identity=f'{template.name}@test' if template else '',
        models=(('spinalcord', 'cord@1'), ('spine', 'spine@1'), ('rootlets', 'rootlets@1')),
    )


def replaying_sct(folder: Path, case: Path, *, template: Path | None = None) -> Toolbox:
    """Make an SCT whose command replays a recorded case, whatever it is asked.

    Parameters
    ----------
    folder
        Where; it is made.
    case
        Folder of the case.
    template
        Template of the toolbox.
    """
    run = json.loads((case / 'run.json').read_text())
    text = REPLAY.format(python=f'{sys.executable} -S')
    toolbox = fake_sct(folder, {run['argv'][0]: text}, template=template)
    plan = {
        'argv': run['argv'],
        'stdout': str(case / 'stdout.txt'),
        'stderr': str(case / 'stderr.txt'),
        'exit_code': run['exit_code'],
        'files': [
            [str(_stored_or_made(entry, case, folder, template)), entry['path']]
            for entry in run.get('created', [])
        ],
    }
    (folder / 'plan.json').write_text(json.dumps(plan))
    return toolbox


def calls(toolbox: Toolbox) -> list[list[str]]:
    """Command lines that a replaying SCT was given."""
    file = toolbox.root / 'calls.jsonl'
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _stored_or_made(entry: dict, case: Path, folder: Path, template: Path | None) -> Path:
    """File that a command created: the stored one, else one of its grid and kind."""
    stored = case / 'out' / entry['path']
    if stored.exists():
        return stored
    made = folder / 'made' / entry['path']
    made.parent.mkdir(parents=True, exist_ok=True)
    if made.name == 'info_label.txt':
        return shutil.copy(template / 'template' / made.name, made)
    if 'shape' not in entry:
        made.write_text('MEAN(area)\n70.0\n' if made.suffix == '.csv' else '{}')
        return made
    data = np.zeros(entry['shape'], np.float32)
    data[tuple(size // 2 for size in entry['shape'][:3])] = 1
    image = nib.Nifti1Image(data, np.array(entry['affine'], float))
    if entry.get('intent'):
        image.header.set_intent('vector')
    nib.save(image, made)
    return made
