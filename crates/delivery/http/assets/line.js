// The geometry of charts.

/**
 * The smallest of 1, 2, 5, 10, 20, … that is not below the value.
 * @param {number} value
 */
export function niceTop(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => Number((step * power).toPrecision(1))).find((top) => top >= value) ?? value;
}

const SPANS = [10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400];
/**
 * The smallest time with a short name that is not below this one, in seconds.
 * @param {number} seconds
 */
export const niceSpan = (seconds) => SPANS.find((top) => top >= seconds) ?? niceTop(seconds / 86_400) * 86_400;

/**
 * The path of a line; a missing value breaks it. A value between two missing ones is a dot.
 * @param {{at: number, value: number | undefined}[]} points
 * @param {number} from
 * @param {number} to
 * @param {number} top
 * @param {number} width
 * @param {number} height
 */
export function linePath(points, from, to, top, width, height) {
  let path = '';
  let isDrawing = false;
  for (const { at, value } of points) {
    if (value === undefined) { isDrawing = false; continue; }
    const x = (((at - from) / (to - from)) * width).toFixed(1);
    const y = (height - 1 - (value / top) * (height - 2)).toFixed(1);
    path += isDrawing ? `L${x} ${y}` : `M${x} ${y}h0`;
    isDrawing = true;
  }
  return path;
}

/**
 * The area below a line without breaks; empty otherwise.
 * @param {string} path
 * @param {number} height
 */
export function areaPath(path, height) {
  const xs = path.match(/[ML]([\d.]+)/g)?.map((step) => step.slice(1)) ?? [];
  if (path.lastIndexOf('M') !== 0) return '';
  return `${path}L${xs.at(-1)} ${height}L${xs[0]} ${height}Z`;
}
