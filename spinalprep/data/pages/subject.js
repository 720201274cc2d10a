'use strict';
// Frames are stacked; a place between two of them shows the one through the other.
const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
for (const figure of document.querySelectorAll('figure')) {
  const stack = figure.querySelector('.stack');
  if (!stack) continue;
  let width = 100;
  const zoom = (factor) => {
    width = factor ? Math.min(Math.max(width * factor, 100), 600) : 100;
    stack.style.width = `${width}%`;
  };
  figure.querySelector('.zoom-in').addEventListener('click', () => zoom(1.4));
  figure.querySelector('.zoom-out').addEventListener('click', () => zoom(1 / 1.4));
  figure.querySelector('.zoom-fit').addEventListener('click', () => zoom(0));
  const slider = figure.querySelector('.frame');
  if (!slider) continue;
  const frames = [...stack.querySelectorAll('img')];
  const play = figure.querySelector('.play');
  const told = figure.querySelector('output');
  let timer = null;
  const show = (place) => {
    frames.forEach((frame, number) => {
      frame.style.opacity = number ? Math.min(Math.max(place - number + 1, 0), 1) : 1;
    });
    const low = Math.floor(place) + 1;
    const text = Number.isInteger(place)
      ? `${low} of ${frames.length}` : `between ${low} and ${low + 1}`;
    slider.setAttribute('aria-valuetext', text);
    told.textContent = text;
  };
  const stop = () => {
    clearInterval(timer);
    timer = null;
    play.setAttribute('aria-pressed', 'false');
    play.textContent = 'Blink';
  };
  const start = () => {
    timer = setInterval(() => {
      slider.value = (Math.floor(Number(slider.value)) + 1) % frames.length;
      show(Number(slider.value));
    }, 1200);
    play.setAttribute('aria-pressed', 'true');
    play.textContent = 'Pause';
  };
  play.addEventListener('click', () => (timer === null ? start() : stop()));
  slider.addEventListener('input', () => { stop(); show(Number(slider.value)); });
  show(0);
  if (!still) start();
}
