// A small live chart: values over the last minutes, with an axis and a time below it.
import { create } from './dom.js';
import { areaPath, linePath, niceTop } from './line.js';
import { lang } from './session.js';
import { T } from './texts.js';
import { relative } from './time.js';

const WIDTH = 240;
const HEIGHT = 56;
const SPAN_MS = 300_000; // The longest span; a chart that is younger begins with its first value.
const LEAST_MS = 30_000;
const NAMESPACE = 'http://www.w3.org/2000/svg';
/** @param {string} tag @param {Record<string, string | number>} attributes */
function svg(tag, attributes) {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}
/** @param {number} value */
const shown = (value) => value.toLocaleString(lang, { maximumFractionDigits: value < 10 ? 2 : 0 });

/** One or more lines on one axis. */
export class Chart {
  /**
   * @param {string} title
   * @param {string[]} names The lines; one without a name shows the title only.
   * @param {{top: (most: number) => number, text: (value: number) => string}} scale The top of the axis, and how values read.
   */
  constructor(title, names = [''], scale = { top: niceTop, text: shown }) {
    this.scale = scale;
    this.element = create('figure', 'chart');
    const caption = create('figcaption', '', title);
    this.figures = names.map((name, index) => {
      const figure = create('span', `figure line${index}`);
      if (name) figure.append(create('i', '', name));
      figure.append(create('b', '', '–'));
      return figure;
    });
    caption.append(...this.figures);
    const drawing = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    drawing.append(...[0.5, HEIGHT / 2, HEIGHT - 0.5].map((y) => svg('line', { x1: 0, x2: WIDTH, y1: y, y2: y })));
    this.paths = names.map((_, index) => svg('path', { class: `line${index}`, d: '' }));
    this.area = svg('path', { class: 'area', d: '' });
    drawing.append(this.area, ...this.paths);
    this.top = create('span', 'top', scale.text(0));
    this.from = create('span');
    const axis = create('div', 'axis');
    axis.setAttribute('aria-hidden', 'true');
    axis.append(this.from, create('span', '', T.now));
    const frame = create('div', 'frame');
    frame.append(this.top, drawing);
    this.element.append(caption, frame, axis);
    /** @type {{at: number, values: (number | undefined)[]}[]} */
    this.points = [];
  }

  /** @param {(number | undefined)[]} values One for each line; undefined where there is none. */
  push(values) {
    const now = performance.now();
    this.points.push({ at: now, values });
    while (this.points[0].at < now - SPAN_MS) this.points.shift();
    const from = Math.min(now - LEAST_MS, this.points[0].at);
    const all = this.points.flatMap((point) => point.values.filter((value) => value !== undefined));
    const top = this.scale.top(Math.max(...all, 0));
    this.top.textContent = this.scale.text(top);
    this.from.textContent = relative(from, now, lang, true);
    values.forEach((value, index) => {
      this.figures[index].lastElementChild.textContent = value === undefined ? '–' : this.scale.text(value);
      const line = this.points.map((point) => ({ at: point.at, value: point.values[index] }));
      const path = linePath(line, from, now, top, WIDTH, HEIGHT);
      this.paths[index].setAttribute('d', path);
      if (values.length === 1) this.area.setAttribute('d', areaPath(path, HEIGHT));
    });
    this.element.dataset.points = String(this.points.length);
  }
}
