# SPDX-License-Identifier: Apache-2.0
"""The embedded SCT on real images, on warped ones, and on images without a cord.

``python benchmarks/embedded.py --figures docs/validation`` prints one table, image ×
measure, with what must be reached, writes it to ``table.txt`` in that folder, and draws the
worst slices there. Exit code 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from validation.common import Drawing, Row

PARTS = ('real', 'template', 'warped', 'run', 'refusals', 'speed')


def main() -> int:
    """Measure, print, draw; 1 if a bar is missed."""
    beside = Path(__file__).resolve().parents[2] / 'shared' / 'data'
    named = os.environ.get('SPINALPREP_TEST_DATA')
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        '--data',
        type=Path,
        default=Path(named) if named else beside,
        help='folder with t2_cervical and pam50_small (default: $SPINALPREP_TEST_DATA)',
    )
    parser.add_argument('--seeds', default='0-19', help='of the warped images, first-last')
    parser.add_argument('--refusals', default='0-5', help='seeds of each kind, first-last')
    parser.add_argument('--only', nargs='+', choices=PARTS, default=PARTS)
    parser.add_argument('--figures', type=Path, help='folder for the table and the worst slices')
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.error(f'{options.data}: no such folder; --data names the one with the images')
    missed, drawings, lines = False, [], []

    def tell(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    tell('| image | measure | value | bar |')
    tell('|---|---|---|---|')
    for part in options.only:
        rows, drawn = measure(part, options)
        drawings += drawn
        for row in rows:
            missed |= row.missed
            value = row.value if isinstance(row.value, str) else f'{row.value:.3g}'
            mark = ' ✗' if row.missed else ''
            tell(f'| {row.image} | {row.measure} | {value} | {row.bar}{mark} |')
    if options.figures:
        from validation.figures import draw

        for drawing in drawings:
            print(f'drawn: {draw(drawing, options.figures)}', file=sys.stderr)
        (options.figures / 'table.txt').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    return int(missed)


def measure(part: str, options: argparse.Namespace) -> tuple[list[Row], list[Drawing]]:
    """Rows and drawings of one part."""
    from validation import images, runs

    data = options.data.resolve()
    if part == 'warped':
        return images.measure_warped(data, seed_range(options.seeds))
    if part == 'refusals':
        return runs.measure_refusals(seed_range(options.refusals)), []
    if part == 'speed':
        return runs.measure_speed(), []
    on_data = {
        'real': images.measure_cervical,
        'template': images.measure_template,
        'run': runs.measure_run,
    }
    return on_data[part](data)


def seed_range(text: str) -> range:
    """Seeds from ``first-last``."""
    first, last = map(int, text.split('-'))
    return range(first, last + 1)


if __name__ == '__main__':
    sys.exit(main())
