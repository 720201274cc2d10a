# SPDX-License-Identifier: Apache-2.0
"""A toolbox whose networks know the truth, and whose commands fail where a test says so.

All that is no network runs in the embedded SCT.
"""

import json
import sys
from pathlib import Path

from spinalprep.toolbox import Toolbox
from spinalprep.toolbox.template import template_identity

KILL = 'kill the worker'
"""In place of a message: the command kills the process that started it."""

SCRIPT = (
    f"""
import json, os, runpy, signal, sys
from pathlib import Path

KILL = {KILL!r}
"""
    """

orders = json.loads(Path(__file__).with_suffix('.json').read_text())
argv = sys.argv[1:]
with Path(__file__).with_suffix('.log').open('a') as log:
    log.write(' '.join(argv[:2]) + '\\n')


def write(source, target):
    import nibabel as nb
    from spinalprep.anatomy.grids import match_grid

    image = nb.load(argv[argv.index('-i') + 1])
    nb.save(match_grid(nb.load(source), image), target)


for words, message in orders['fail'].items():
    if set(words.split()) <= set(argv):
        if message == KILL:
            os.kill(os.getppid(), signal.SIGKILL)
            signal.pause()
        print(message)
        sys.exit(1)
if argv[0] == 'sct_deepseg' and argv[1] in orders['truth']:
    target = argv[argv.index('-o') + 1]
    special = f"{argv[1]} of {Path(argv[argv.index('-i') + 1]).name}"
    truth = orders['truth'].get(special, orders['truth'][argv[1]])
    if argv[1] == 'spine':
        for part, source in truth.items():
            write(source, target.replace('.nii.gz', f'_totalspineseg_{part}.nii.gz'))
    else:
        write(truth, target)
    sys.exit(0)
sys.argv = ['spinalprep.embedded', *argv]
runpy.run_module('spinalprep.embedded', run_name='__main__')
"""
)


def oracle(
    folder: Path, template: Path, truth: dict, fail: dict[str, str] | None = None
) -> Toolbox:
    """Toolbox with given answers.

    Parameters
    ----------
    folder : Path
        Where its script goes.
    template : Path
    truth : dict
        Task of ``sct_deepseg`` → file; for ``spine`` files of ``discs`` and ``all``.
        ``'TASK of NAME'`` is the answer for an input of that name alone.
    fail : dict
        Words that all stand in a command → what it says before it exits with 1, or :data:`KILL`.
    """
    script = folder / 'oracle.py'
    script.write_text(SCRIPT)
    orders = {'truth': truth, 'fail': fail or {}}
    script.with_suffix('.json').write_text(json.dumps(orders, default=str))
    return Toolbox(
        kind='embedded',
        version='embedded-oracle',
        prefix=(sys.executable, str(script)),
        template=template,
        template_identity=template_identity(template),
    )


def calls(folder: Path) -> list[str]:
    """Commands that the toolbox in `folder` has been asked for so far, and forget them."""
    log = folder / 'oracle.log'
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines
