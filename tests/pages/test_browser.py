# SPDX-License-Identifier: Apache-2.0
"""The pages in a real browser, opened from the disk."""

import shutil
import time
from dataclasses import replace

import pytest

from spinalprep.exclusions import read_reviews
from spinalprep.selection import select

CHROMIUM = shutil.which('chromium') or shutil.which('chromium-browser')
DRIVER = shutil.which('chromedriver')

pytestmark = pytest.mark.browser

FLAGS = (
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--window-size=1400,1000',
)  # fmt: skip


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    if not (CHROMIUM and DRIVER):
        pytest.skip('no Chromium with its driver on this machine')
    webdriver = pytest.importorskip('selenium.webdriver', reason='selenium is not installed')
    home = tmp_path_factory.mktemp('browser')
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f'--user-data-dir={home / "profile"}'):
        options.add_argument(flag)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    options.add_experimental_option('prefs', {'download.default_directory': str(home)})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.downloads = home
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, made):
    """Open a page by its name; afterwards nothing must have been complained about."""

    def opened(name, layout=made):
        browser.get((layout.derivatives / f'{name}.html').as_uri())
        return browser

    yield opened
    assert browser.get_log('browser') == []


def find(browser, selector):
    return browser.find_element('css selector', selector)


def labels(browser):
    rows = browser.find_elements('css selector', '#subjects tbody tr')
    return [row.get_attribute('data-label') for row in rows]


def choose(browser, field, value):
    from selenium.webdriver.support.ui import Select

    Select(find(browser, f'#{field}')).select_by_value(value)


def opacities(browser, figure):
    return [
        float(image.value_of_css_property('opacity'))
        for image in browser.find_elements('css selector', f'#{figure} .stack img')
    ]


@pytest.fixture(scope='module')
def animated(made, tmp_path_factory):
    """The same output, where the overlay of a subject has three frames."""
    from PIL import Image

    from spinalprep.pages import write_subject_page
    from spinalprep.pages.write import read_records

    layout = replace(made, out=tmp_path_factory.mktemp('animated') / 'out')
    shutil.copytree(made.out, layout.out)
    record = read_records(layout)[0]
    path = layout.derivatives / record['figures']['figure_overlay'][0]
    first, *rest = (Image.new('RGB', (60, 40), (shade, 0, 0)) for shade in (50, 120, 250))
    first.save(path, save_all=True, append_images=rest, duration=900)
    write_subject_page(layout, record)
    return layout


def test_frames_blink_until_they_are_paused(page, animated):
    browser = page('sub-01', animated)
    play = find(browser, '#figure_overlay .play')
    assert play.text == 'Pause'
    seen = set()
    end = time.monotonic() + 8
    while len(seen) < 3 and time.monotonic() < end:
        seen.add(find(browser, '#figure_overlay output').text)
        time.sleep(0.1)
    assert seen == {'1 of 3', '2 of 3', '3 of 3'}
    play.click()
    assert play.text == 'Blink'
    still = find(browser, '#figure_overlay output').text
    time.sleep(1.5)
    assert find(browser, '#figure_overlay output').text == still


def test_the_slider_goes_from_subject_to_template_by_keyboard_alone(page, animated):
    from selenium.webdriver.common.keys import Keys

    browser = page('sub-01', animated)
    slider = find(browser, '#figure_overlay .frame')
    slider.send_keys(Keys.HOME)
    assert opacities(browser, 'figure_overlay') == [1, 0, 0]
    for _ in range(10):
        slider.send_keys(Keys.ARROW_RIGHT)
    assert opacities(browser, 'figure_overlay') == [1, 0.5, 0]
    assert slider.get_attribute('aria-valuetext') == 'between 1 and 2'
    slider.send_keys(Keys.END)
    assert opacities(browser, 'figure_overlay') == [1, 1, 1]
    assert find(browser, '#figure_overlay .play').text == 'Blink'


def test_figures_are_enlarged_and_fitted(page):
    browser = page('sub-02')
    stack = find(browser, '#figure_cord_mask .stack')
    width = stack.size['width']
    find(browser, '#figure_cord_mask .zoom-in').click()
    assert stack.size['width'] == pytest.approx(1.4 * width, abs=2)
    find(browser, '#figure_cord_mask .zoom-fit').click()
    assert stack.size['width'] == pytest.approx(width, abs=2)


def test_rows_are_filtered(page):
    browser = page('index')
    assert len(labels(browser)) == 12
    choose(browser, 'verdict', 'FAIL')
    assert labels(browser) == ['sub-12']
    choose(browser, 'verdict', '')
    find(browser, '#text').send_keys('Too Little')
    assert labels(browser) == ['sub-13']
    assert find(browser, '#shown').text == '1 of 12 shown'


def test_rows_are_sorted_by_number_and_by_verdict_with_gaps_last(page):
    from selenium.webdriver.common.keys import Keys

    browser = page('index')
    find(browser, 'button[data-column=cord_snr]').send_keys(Keys.ENTER)
    assert labels(browser)[:3] == ['sub-11_ses-a', 'sub-01', 'sub-02']
    assert find(browser, 'th[aria-sort]').get_attribute('aria-sort') == 'ascending'
    find(browser, 'button[data-column=cord_snr]').send_keys(Keys.ENTER)
    assert labels(browser)[:2] == ['sub-08', 'sub-07']
    assert set(labels(browser)[-3:]) == {'sub-12', 'sub-13', 'sub-14'}
    find(browser, 'button[data-column=verdict]').click()
    assert labels(browser)[:4] == ['sub-12', 'sub-14', 'sub-13', 'sub-11_ses-a']


def test_a_value_far_from_the_others_is_marked(page):
    browser = page('index')
    odd = browser.find_elements('css selector', '.strip.odd')
    assert [strip.get_attribute('aria-label') for strip in odd] == ['far from the others']
    row = odd[0].find_element('xpath', 'ancestor::tr')
    assert row.get_attribute('data-label') == 'sub-11_ses-a'


def test_reviews_are_kept_exported_and_taken_by_a_run(page, made, tmp_path):
    browser = page('index')
    find(browser, '[aria-label="reject sub-11_ses-a"]').click()
    find(browser, '[aria-label="note on sub-11_ses-a"]').send_keys('motion in C4')
    find(browser, '[aria-label="accept sub-01"]').click()
    browser = page('index')  # opened again: they are still there
    choose(browser, 'decision', 'reject')
    assert labels(browser) == ['sub-11_ses-a']
    find(browser, '#export').click()
    exported = browser.downloads / 'ds_reviews.tsv'
    end = time.monotonic() + 10
    while not exported.is_file() and time.monotonic() < end:
        time.sleep(0.1)
    exclusions = read_reviews(exported)
    assert [(item.subject, item.session, item.reason) for item in exclusions] == [
        ('11', 'a', 'rejected in review: motion in C4')
    ]
    targets = select(made.out.parent / 'ds', exclusions=exclusions)
    (target,) = (item for item in targets if item.subject == '11')
    assert not target.candidates
    assert target.dropped[0].reason == 'rejected in review: motion in C4'


def test_hostile_words_do_nothing(page):
    for name in ('index', 'sub-11_ses-a'):
        browser = page(name)
        assert browser.title not in ('1', '2')
