# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for ``apptainer`` and ``docker``: they check what they are given, as strict as real.

A command sees what is bound, writes where it may, and has no variable but those named. What is
"inside" the image is a folder of this machine; SCT's commands there are the embedded ones.
"""

import stat
import sys
from pathlib import Path

import spinalprep

RUNTIME = '''#!{python}
import json, os, re, subprocess, sys
from pathlib import Path

INSIDE, PACKAGE, LOG = {inside!r}, {package!r}, {log!r}


def fail(why):
    sys.exit('FATAL: ' + why)


def parse(words):
    """Options up to the image, the image, and the rest."""
    options = []
    while words and words[0].startswith('-'):
        options.append(words.pop(0))
    return options, words.pop(0), words


def values(options, name):
    return [word.split('=', 1)[1] for word in options if word.startswith(name + '=')]


name, words = Path(sys.argv[0]).name, sys.argv[1:]
if words[:2] == ['image', 'inspect']:
    if words[-1] != 'lab/sct:7.2':
        sys.exit('Error: No such image: ' + words[-1])
    sys.exit(print('sha256:0123'))
if words[0] == 'kill':
    with open(LOG, 'a') as stream:
        stream.write(json.dumps(['kill', words[1]]) + chr(10))
    sys.exit(0)
verb = words.pop(0)
options, image, command = parse(words)
binds = {{}}
if name == 'docker':
    if verb != 'run' or '--rm' not in options:
        fail('docker run --rm expected')
    for mount in values(options, '--mount'):
        fields = [field.strip('"') for field in mount.split(',')]
        pairs = dict(field.split('=', 1) for field in fields if '=' in field)
        if pairs['source'] != pairs['target']:
            fail('a path has another name inside')
        binds[pairs['source']] = 'ro' if 'readonly' in fields else 'rw'
    command = [values(options, '--entrypoint')[0], *command]
    folder = values(options, '--workdir')[0]
else:
    if verb != 'exec' or '--cleanenv' not in options or '--contain' not in options:
        fail('exec --cleanenv --contain expected')
    if not Path(image).is_file():
        fail('no image ' + image)
    for bind in values(options, '--bind'):
        source, target, mode = bind.split(':')
        if source != target:
            fail('a path has another name inside')
        binds[source] = mode
    folder = values(options, '--pwd')[0]
for source in binds:
    if not Path(source).exists():
        fail('mount source does not exist: ' + source)


def mode_of(path):
    """Of the last mount that holds it: it hides those before."""
    held = [b for b in binds if Path(path).is_relative_to(b)]
    return binds[held[-1]] if held else None


def places_in(word):
    """Paths in an argument, and the files in the folders among them."""
    for place in re.findall(r'(?<![^\\s,=])/[^\\s,]+', word):
        yield place
        yield from map(str, Path(place).rglob('*') if os.path.isdir(place) else [])


if mode_of(folder) != 'rw':
    fail('the current folder can not be written: ' + folder)
for word in command[1:]:
    for place in places_in(word) if command[0] != '/bin/sh' else []:
        for real in (place, os.path.realpath(place)):
            if os.path.exists(real) and mode_of(real) is None:
                fail('not bound: ' + real)
variables = dict(pair.split('=', 1) for pair in values(options, '--env'))
with open(LOG, 'a') as stream:
    told = {{'options': options, 'image': image, 'command': command, 'env': variables,
            'outer': sorted(os.environ), 'binds': binds}}
    stream.write(json.dumps(told) + chr(10))
inner = {{'PATH': '/usr/bin:/bin', 'SCT_DIR': INSIDE, **variables}}
if command[0] == '/bin/sh':
    sys.exit(subprocess.run(command, cwd=folder, env=inner).returncode)
if not command[0].startswith(INSIDE + '/bin/'):
    fail('no such program inside: ' + command[0])
inner['PYTHONPATH'] = PACKAGE
program = [{python!r}, '-m', 'spinalprep.embedded', Path(command[0]).name, *command[1:]]
os.chdir(folder)
os.execve(program[0], program, inner)
'''


def write_runtime(folder: Path, name: str, inside: Path, log: Path) -> Path:
    """A stand-in of that name; `inside` is the folder of SCT in every image."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    package = str(Path(spinalprep.__file__).parents[1])
    path.write_text(
        RUNTIME.format(python=sys.executable, inside=str(inside), package=package, log=str(log))
    )
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    return path
