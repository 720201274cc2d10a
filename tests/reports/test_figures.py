# SPDX-License-Identifier: Apache-2.0
"""Figures of phantoms: letters against the affine and the marker, aspect, words, sizes of text."""

import itertools

import numpy as np
import pytest
from matplotlib.text import Text

from spinalprep.anatomy.warps import DisplacementField
from spinalprep.embedded.phantom import PhantomParams, make_phantom
from spinalprep.reports.cord_mask import cord_mask_figure, outliers
from spinalprep.reports.crop_box import crop_box_figure
from spinalprep.reports.look import apart, level_colour
from spinalprep.reports.overlay import Path, Template, overlay_animation
from spinalprep.reports.rootlets import rootlets_animation, split_by_side
from spinalprep.reports.save import frames_of, pixels_of, save_gif, save_png
from spinalprep.reports.spine import spine_figure

ORIENTATIONS = ('LAS', 'RPI', 'PSR', 'SAL')
VOXELS = (
    *((0.35, 0.35, 3.0), (0.35, 3.0, 0.35), (3.0, 0.35, 0.35)),
    *((0.5, 0.5, 2.0), (0.5, 2.0, 0.5), (2.0, 0.5, 0.5)),
)


def phantom(**params):
    defaults = {'voxel_mm': (2.0, 2.0, 2.0), 'bottom_level': 6.0, 'top_mm': 20.0, 'snr': None}
    return make_phantom(PhantomParams(**(defaults | params)))


def inputs(made):
    return np.asanyarray(made.image.dataobj), made.affine, np.asarray(made.cord) > 0


def panels(figure):
    """Panels with an image, and the letter at each side."""
    found = []
    for axes in figure.axes:
        if axes.images:
            sides = {}
            for text in axes.texts:
                if text.get_text() in tuple('RLAPSI') and text.get_weight() == 'bold':
                    # at the edge, give or take the letter's own size
                    sides[tuple(np.rint(2 * np.array(text.get_position())) / 2)] = text.get_text()
            found.append((axes, sides))
    return found


def field_of_nothing(made):
    shape = made.cord.shape
    return DisplacementField(np.zeros((*shape, 3), np.float32), made.affine, np.ones(shape, bool))


def all_figures(made, shown=None):
    """Every figure of a phantom, or of what is shown for it; the template is the same."""
    image, affine, cord = inputs(made)
    image = image if shown is None else shown
    common = {'title': 'sub-01_T2w'}
    levels = np.asarray(made.levels)
    field = field_of_nothing(made)
    yield crop_box_figure(image, affine, cord, [(1, n - 3) for n in image.shape], **common)
    yield cord_mask_figure(image, affine, cord, levels=levels, **common)
    yield spine_figure(image, affine, cord, labels=np.asarray(made.totalspineseg), **common)
    yield rootlets_animation(image, affine, cord, np.asarray(made.rootlets), **common).figure
    template = Template(image, cord, affine)
    yield overlay_animation(
        image, affine, cord, template, Path('disc', field), levels=levels, **common
    ).figure


@pytest.mark.parametrize('orientation', ORIENTATIONS)
def test_the_marker_lies_on_the_side_that_is_called_right(orientation):
    # the marker, and nothing else, brightens the picture where it is switched on
    made = phantom(orientation=orientation, marker=True, bias=0.0)
    without = phantom(orientation=orientation, marker=False, bias=0.0)
    image, affine, cord = inputs(made)
    difference = image.astype(float) - np.asanyarray(without.image.dataobj)
    assert difference.max() > 0
    bright = np.argwhere(difference > 0.5 * difference.max())
    world = bright @ affine[:3, :3].T + affine[:3, 3]
    middle = np.argwhere(cord) @ affine[:3, :3].T + affine[:3, 3]
    assert world[:, 0].mean() > middle[:, 0].mean() + 5  # the subject's right, by the affine
    figure = crop_box_figure(difference, affine, cord, None, title='x')
    sides = 0
    for axes, letters in panels(figure):
        if letters[(0, 0.5)] not in 'RL':
            continue
        box = axes.images[0].get_extent()
        pixels = np.asarray(axes.images[0].get_array())
        # through the marker's own depth, which the cord's sheet does not reach
        profile = np.abs(difference).max(axis=_other_axes(affine))
        centre = float((profile * np.arange(len(profile))).sum() / profile.sum())
        across = _right_mm(affine, image.shape, centre)
        left, right = axes.get_xlim()
        drawn = (across - left) / (right - left)  # 0 at the left edge of the panel
        assert (letters[(0, 0.5)] == 'R') == (drawn < 0.5)
        assert box[0] < box[1]
        assert pixels.ndim == 2
        sides += 1
    assert sides == 1


def _other_axes(affine):
    axis = int(np.argmax(np.abs(affine[0, :3])))
    return tuple({0, 1, 2} - {axis})


def _right_mm(affine, shape, index):
    """Distance from the leftmost voxel, towards the subject's right, of an index."""
    axis = int(np.argmax(np.abs(affine[0, :3])))
    step = affine[0, axis]
    return index * step if step > 0 else (shape[axis] - 1 - index) * -step


@pytest.mark.parametrize('orientation', ORIENTATIONS)
def test_a_tile_shows_the_sides_where_its_letters_say(orientation):
    made = phantom(orientation=orientation)
    _, affine, cord = inputs(made)
    # an image that grows to the right and to the front, by the affine alone
    index = np.stack(np.meshgrid(*map(np.arange, cord.shape), indexing='ij'), axis=-1)
    world = index @ affine[:3, :3].T + affine[:3, 3]
    for axis, positive in ((0, 'R'), (1, 'A')):
        figure = cord_mask_figure(world[..., axis] + 500, affine, cord, title='x')
        tiles = [item for item in panels(figure) if set(item[1].values()) == set('RLAP')]
        assert len(tiles) >= 5
        for axes, letters in tiles:
            place = next(where for where, letter in letters.items() if letter == positive)
            pixels, (left, right, bottom, top) = (
                np.asarray(axes.images[0].get_array()), axes.images[0].get_extent(),
            )  # fmt: skip
            assert bottom < top
            assert left < right
            along = pixels.mean(axis=0) if axis == 0 else pixels.mean(axis=1)
            grows = along[-1] > along[0]
            limits = axes.get_xlim() if axis == 0 else axes.get_ylim()
            bright_end = 1 if grows == (limits[1] > limits[0]) else 0
            assert place[axis] == bright_end


@pytest.mark.parametrize('orientation', ORIENTATIONS)
def test_letters_of_all_figures_are_those_of_the_affine(orientation):
    made = phantom(orientation=orientation)
    index = np.stack(np.meshgrid(*map(np.arange, made.cord.shape), indexing='ij'), axis=-1)
    world = index @ made.affine[:3, :3].T + made.affine[:3, 3]
    for axis, (positive, negative) in enumerate(('RL', 'AP', 'SI')):
        # an image that grows towards the right, the front, or the head
        grows = (world[..., axis] - world[..., axis].min() + 1).astype(np.float32)
        for figure in all_figures(made, grows):
            told = 0
            for axes, letters in panels(figure):
                place = {letter: where for where, letter in letters.items()}
                if positive not in place:
                    continue
                across = place[positive][1] == 0.5
                pixels = np.asarray(axes.images[0].get_array())
                profile = pixels.mean(axis=0 if across else 1)
                limits = axes.get_xlim() if across else axes.get_ylim()
                rising = (profile[-1] > profile[0]) == (limits[1] > limits[0])
                side = place[positive][0 if across else 1]
                assert rising == (side == 1)
                assert place[negative][0 if across else 1] == 1 - side
                told += 1
            assert told


@pytest.mark.parametrize('voxel', VOXELS)
def test_a_millimetre_is_as_long_in_both_directions(voxel):
    made = phantom(voxel_mm=voxel, bottom_level=4.0, top_mm=5.0, field_mm=(40.0, 70.0))
    for figure in all_figures(made):
        drawn = panels(figure)
        assert drawn
        for axes, _ in drawn:
            box = axes.get_window_extent()
            per_mm = (
                box.width / abs(np.diff(axes.get_xlim())[0]),
                box.height / abs(np.diff(axes.get_ylim())[0]),
            )
            assert per_mm[0] == pytest.approx(per_mm[1], rel=0.01)


def test_text_is_readable_and_no_canvas_is_empty():
    for figure in all_figures(phantom()):
        words = [text for text in figure.findobj(Text) if text.get_text()]
        assert min(text.get_fontsize() for text in words) >= 8
        assert figure.dpi == 100
        pixels = pixels_of(figure)
        background = (pixels == pixels[-1, -1]).all(axis=-1).mean()
        assert background < 0.75
        assert any(text.get_text().endswith(' mm') for text in words)  # a scale bar


def test_no_text_is_cut_off():
    made = phantom(voxel_mm=(2.125, 2.375, 2.625))
    image, affine, cord = inputs(made)
    note = 'rejected: 19 slices with cord, 20 needed'
    box = [(1, n - 3) for n in image.shape]
    rejected = crop_box_figure(image, affine, cord, box, title='sub-01_T2w', note=note)
    for figure in (rejected, *all_figures(made)):
        width, height = figure.canvas.get_width_height()
        for text in figure.findobj(Text):
            if text.get_text() and text.get_visible():
                extent = text.get_window_extent()
                assert extent.x0 >= 0, text.get_text()
                assert extent.x1 <= width, text.get_text()
                assert extent.y0 >= 0, text.get_text()
                assert extent.y1 <= height, text.get_text()


def test_names_are_those_of_the_labels():
    made = phantom()
    image, affine, cord = inputs(made)
    labels = np.asarray(made.totalspineseg)
    figure = spine_figure(image, affine, cord, title='x', labels=labels)
    words = {text.get_text() for text in figure.findobj(Text)}
    assert {'C2', 'C3', 'C4', 'C2/C3', 'C3/C4'} <= words
    figure = cord_mask_figure(image, affine, cord, title='x', levels=np.asarray(made.levels))
    assert {'C3', 'C4'} <= {text.get_text() for text in figure.findobj(Text)}


def test_discs_out_of_order_are_marked():
    made = phantom()
    image, affine, cord = inputs(made)
    middle = np.argwhere(cord).mean(axis=0) @ affine[:3, :3].T + affine[:3, 3]
    up = np.array([0.0, 0.0, 1.0])
    discs = {3: middle + 5 * up, 4: middle + 20 * up, 5: middle - 10 * up}
    figure = spine_figure(image, affine, cord, title='x', discs=discs, used={3, 4, 5})
    words = [text.get_text() for text in figure.findobj(Text)]
    assert 'order: C2/C3, C3/C4' in words
    figure = spine_figure(
        image, affine, cord, title='x', discs=discs | {3: middle + 30 * up}, used={3, 4}
    )
    words = [text.get_text() for text in figure.findobj(Text)]
    assert not any(word.startswith('order') for word in words)
    assert any(word.endswith('not used: C4/C5') for word in words)


def test_vertebrae_out_of_order_are_marked():
    made = phantom()
    image, affine, cord = inputs(made)
    labels = np.asarray(made.totalspineseg)
    swapped = labels.copy()
    swapped[labels == 13], swapped[labels == 14] = 14, 13
    for shown, errors in ((labels, []), (swapped, ['order: C3, C4'])):
        figure = spine_figure(image, affine, cord, title='x', labels=shown)
        words = [text.get_text() for text in figure.findobj(Text)]
        assert [word for word in words if word.startswith('order')] == errors


def test_dorsal_and_ventral_are_told_apart():
    from spinalprep.reports.planes import Grid, course

    made = phantom(voxel_mm=(1.0, 1.0, 1.0))
    _, affine, cord = inputs(made)
    grid = Grid.of(cord.shape, affine)
    mask, roots = grid.ordered(cord), grid.ordered(np.asarray(made.rootlets))
    parts = split_by_side(roots, grid, course(mask, grid))
    centre = np.argwhere(mask)[:, 1].mean()
    assert np.argwhere(parts['dorsal'])[:, 1].mean() < centre
    assert ((parts['dorsal'] > 0) ^ (parts['ventral'] > 0) == (roots > 0)).all()


def test_rootlets_far_from_the_cord_are_told_too():
    made = phantom()
    image, affine, cord = inputs(made)
    roots = np.zeros(cord.shape, np.int16)
    roots[0, 0, np.argwhere(cord)[:, 2].mean().astype(int)] = 5
    shown = rootlets_animation(image, affine, cord, roots, title='x')
    words = {part.get_text() for part in shown.frames[0] if isinstance(part, Text)}
    assert {'C5', '8'} <= words  # mm³


def test_an_image_without_cord_is_drawn_and_says_so():
    made = phantom()
    image, affine, cord = inputs(made)
    figure = crop_box_figure(image, affine, np.zeros_like(cord), None, title='x', note='rejected')
    words = [text.get_text() for text in figure.findobj(Text)]
    assert '— no cord found' in words
    assert 'rejected' in words


def test_an_overlay_of_itself_agrees_and_names_the_path_not_chosen():
    made = phantom()
    image, affine, cord = inputs(made)
    template = Template(image, cord, affine)
    still = field_of_nothing(made)
    moved = DisplacementField(still.vectors + np.float32([4, 0, 0]), still.affine, still.valid)
    shown = overlay_animation(
        image, affine, cord, template, Path('disc', still), Path('rootlet', moved), title='x'
    )
    assert len(shown.frames) == 3
    words = [[p.get_text() for p in frame if isinstance(p, Text)] for frame in shown.frames]
    assert any('chosen' in word and 'NOT' not in word for word in words[1])
    assert any('NOT chosen' in word for word in words[2])
    shown.show(1)
    same = pixels_of(shown.figure)
    shown.show(2)
    assert (pixels_of(shown.figure) != same).any()


def test_frames_are_what_the_whole_figure_shows_then():
    made = phantom()
    image, affine, cord = inputs(made)
    still = field_of_nothing(made)
    moved = DisplacementField(still.vectors + np.float32([4, 0, 0]), still.affine, still.valid)
    landmarks = {'C3': (np.argwhere(cord).mean(axis=0) @ affine[:3, :3].T + affine[:3, 3], 2.0)}
    overlay = overlay_animation(
        image, affine, cord, Template(image, cord, affine), Path('disc', still, landmarks),
        Path('rootlet', moved), title='x', levels=np.asarray(made.levels),
    )  # fmt: skip
    rootlets = rootlets_animation(image, affine, cord, np.asarray(made.rootlets), title='x')
    for shown in (overlay, rootlets):
        frames = frames_of(shown)
        assert len(frames) == len(shown.frames)
        for number, frame in enumerate(frames):
            shown.show(number)
            whole = pixels_of(shown.figure).astype(int)
            # what lies above is put on whole pixels, and drawn on parts of them else
            assert np.abs(frame - whole).max() <= 3
        assert all((a != b).any() for a, b in itertools.pairwise(frames))


def test_outliers_are_jumps_but_at_the_ends_only_what_is_out_of_bounds():
    area = np.full(40, 70.0)
    area[20], area[0] = 120, 20
    assert np.flatnonzero(outliers(area, 11)).tolist() == [20]
    assert np.flatnonzero(outliers(area, 11, (60, 100))).tolist() == [0, 20]
    assert not outliers(np.zeros(0), 5).any()


def test_levels_grow_lighter_in_order():
    shades = [sum(level_colour(level)) for level in range(1, 26)]
    assert (np.diff(shades) > 0).all()


def test_names_are_moved_apart_and_stay_in_order():
    places = apart([1.0, 1.1, 1.2, 8.0], 1.0)
    assert (np.diff(places) >= 1 - 1e-3).all()
    assert places[-1] == pytest.approx(8.0)


def test_files_are_small_and_have_their_frames(tmp_path):
    from PIL import Image

    made = phantom(voxel_mm=(1.0, 1.0, 1.0))
    image, affine, cord = inputs(made)
    save_png(cord_mask_figure(image, affine, cord, title='x'), tmp_path / 'a.png')
    roots = np.asarray(made.rootlets)
    shown = rootlets_animation(image, affine, cord, roots, title='x')
    save_gif(shown, tmp_path / 'a.gif')
    with Image.open(tmp_path / 'a.png') as png, Image.open(tmp_path / 'a.gif') as gif:
        assert (png.format, gif.format) == ('PNG', 'GIF')
        assert gif.n_frames == len(np.unique(roots)) - 1
    assert (tmp_path / 'a.png').stat().st_size < 600_000
    assert (tmp_path / 'a.gif').stat().st_size < 1_500_000
