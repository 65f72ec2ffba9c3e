"use strict";
// Line charts over the training steps, drawn as SVG. One chart shows one quantity of several lines, each with its interval.

const PLOT = { height: 230, top: 8, right: 26, bottom: 34, left: 48 };

/** Make an HTML element; attributes that are functions become listeners, children may be text. */
function html(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** Make an SVG element. */
function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/** A short sample of a line: its colour and dash. */
function swatch(line) {
  const stroke = { style: `stroke:${ink(line.colour)}`, "stroke-width": 3, "stroke-dasharray": line.dash };
  return svg("svg", { class: "swatch", viewBox: "0 0 28 10", "aria-hidden": "true" }, svg("line", { x1: 1, y1: 5, x2: 27, y2: 5, ...stroke }));
}

/** A line's colour on this page: black is the ink, which is light in the dark. */
function ink(colour) {
  return colour === "#000000" ? "var(--ink)" : colour;
}

/** "0.643 [0.610, 0.687]", or "4 of 32 [0.050, 0.281]": a line's value at a point, and its interval; one seed has none. */
function withInterval(line, key, index, { digits = 3, share = false } = {}) {
  // adding 0 turns -0 into 0
  const [mean, low, high] = line.curves[key].map((values) => (Number(values[index].toFixed(digits)) + 0).toFixed(digits));
  const value = share ? `${Math.round(line.curves[key][0][index] * line.seeds)} of ${line.seeds}` : mean;
  return line.seeds > 1 ? `${value} [${low}, ${high}]` : value;
}

/** A scale from values to pixels, linear or logarithmic away from zero, with the values that get a label. */
function makeScale(low, high, { symlogFrom, from, to }) {
  const bend = symlogFrom ? (value) => Math.sign(value) * Math.log10(1 + Math.abs(value) / symlogFrom) : (value) => value;
  const [start, end] = [bend(low), bend(high)];
  const place = (value) => from + ((bend(value) - start) / (end - start || 1)) * (to - from);
  const ticks = symlogFrom ? decades(low, high) : roundNumbers(low, high);
  return { place, ticks };
}

function decades(low, high) {
  const powers = [0.01, 0.1, 1, 10, 100];
  return [...powers.map((value) => -value).reverse(), 0, ...powers].filter((value) => value >= low && value <= high);
}

function roundNumbers(low, high) {
  const rough = (high - low) / 4 || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 2.5, 5, 10].find((factor) => factor * unit >= rough * 0.999);
  const count = Math.floor((high - low) / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, place) => Number((low + place * step).toPrecision(6)));
}

class Chart {
  /**
   * @param column what is drawn: key, title, unit, top, symlog
   * @param steps the recorded steps
   * @param options symlogFrom; domain: all lines, whose values fix the axis; onHover(index or null); onPick(index); onMove(change)
   */
  constructor(column, steps, options) {
    Object.assign(this, { column, steps, options });
    this.plot = svg("svg", {
      class: "plot", height: PLOT.height, role: "img", tabindex: 0,
      pointermove: (event) => options.onHover(this.indexAt(event), this),
      pointerleave: () => options.onHover(null, this),
      click: (event) => options.onPick(this.indexAt(event)),
      keydown: (event) => this.onKey(event),
      blur: () => options.onHover(null, this),
    });
    this.tooltip = html("div", { class: "tooltip", hidden: "" });
    const unit = column.unit ? [" ", html("small", {}, column.unit)] : [];
    this.root = html("figure", { class: "panel" }, html("figcaption", {}, column.title, ...unit), this.plot, this.tooltip);
  }

  onKey(event) {
    const change = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!change) return;
    event.preventDefault();
    this.options.onMove(change, this);
  }

  indexAt(event) {
    const box = this.plot.getBoundingClientRect();
    const share = (event.clientX - box.left - PLOT.left) / (box.width - PLOT.left - PLOT.right);
    const step = this.steps[0] + share * (this.steps.at(-1) - this.steps[0]);
    const distances = this.steps.map((value) => Math.abs(value - step));
    return distances.indexOf(Math.min(...distances));
  }

  /** The ends of the vertical axis: those of all lines, so that hiding one does not move the others. */
  limits(lines) {
    const curves = lines.map((line) => line.curves[this.column.key]);
    const high = this.column.top ?? Math.max(1e-6, ...curves.flatMap(([, , top]) => top));
    const low = this.column.symlog ? Math.min(0, ...curves.flatMap(([, bottom]) => bottom)) : 0;
    return [low, high];
  }

  /**
   * @param lines the visible ones
   * @param now index of the chosen step
   * @param strong label of the line that stands out, or null
   */
  draw(lines, now, strong) {
    const width = Math.max(this.plot.clientWidth, 200);
    this.plot.setAttribute("viewBox", `0 0 ${width} ${PLOT.height}`);
    const [low, high] = this.limits(this.options.domain());
    const floor = PLOT.height - PLOT.bottom;
    const symlogFrom = this.column.symlog ? this.options.symlogFrom : 0;
    this.x = makeScale(this.steps[0], this.steps.at(-1), { from: PLOT.left, to: width - PLOT.right }).place;
    this.y = makeScale(low, high, { symlogFrom, from: floor, to: PLOT.top });
    this.marker = svg("line", { class: "now", x1: this.x(this.steps[now]), x2: this.x(this.steps[now]), y1: PLOT.top, y2: floor });
    this.pointer = svg("line", { class: "pointer", y1: PLOT.top, y2: floor, visibility: "hidden" });
    const dots = this.column.dots && now === this.steps.length - 1 ? lines.flatMap((line, place) => this.dots(line, place, width)) : [];
    this.plot.replaceChildren(...this.frame(width, floor), ...lines.flatMap((line) => this.curve(line, strong)), ...dots, this.marker, this.pointer);
    this.plot.setAttribute("aria-label", this.describe(lines, now));
  }

  frame(width, floor) {
    const across = this.y.ticks.flatMap((tick) => {
      const y = this.y.place(tick);
      const line = { class: tick === 0 ? "zero" : "gridline", x1: PLOT.left, x2: width - PLOT.right, y1: y, y2: y };
      return [svg("line", line), svg("text", { x: PLOT.left - 6, y: y + 4, "text-anchor": "end" }, String(tick))];
    });
    const last = this.steps.at(-1);
    const labels = roundNumbers(this.steps[0], last).map((tick) => {
      const anchor = tick === last ? "end" : "middle";
      return svg("text", { x: this.x(tick), y: floor + 16, "text-anchor": anchor }, String(tick));
    });
    const name = svg("text", { x: (PLOT.left + width - PLOT.right) / 2, y: floor + 31, "text-anchor": "middle" }, "training step");
    return [...across, ...labels, name];
  }

  curve(line, strong) {
    const [mean, low, high] = line.curves[this.column.key];
    const point = (value, index) => `${this.x(this.steps[index]).toFixed(1)},${this.y.place(value).toFixed(1)}`;
    const band = [...high.map(point), ...low.map(point).reverse()].join(" ");
    const faded = strong !== null && strong !== line.row;
    const stroke = { style: `stroke:${ink(line.colour)}`, "stroke-dasharray": line.dash, "stroke-width": faded ? 1 : 2 };
    return [
      svg("polygon", { points: band, style: `fill:${ink(line.colour)}`, opacity: faded ? 0.02 : 0.13 }),
      svg("polyline", { points: mean.map(point).join(" "), fill: "none", opacity: faded ? 0.25 : 1, ...stroke, "data-line": line.row }),
    ];
  }

  /** Each seed's end beside the curve: a mean of runs of two kinds is a place where neither is. */
  dots(line, place, width) {
    const x = width - PLOT.right + 6 + 5 * (place % 4);
    return line.final[this.column.key].map((value) => svg("circle", { class: "dot", cx: x, cy: this.y.place(value).toFixed(1), r: 2.2, style: `fill:${ink(line.colour)}` }));
  }

  describe(lines, now) {
    const values = lines.map((line) => `${line.title} ${withInterval(line, this.column.key, now, this.column)}`);
    return `${this.column.title} over training steps. At step ${this.steps[now]}: ${values.join("; ")}`;
  }

  /** Show where the pointer is; the tooltip only in the chart that is pointed at. */
  hover(index, lines, withTooltip) {
    this.pointer.setAttribute("visibility", index === null ? "hidden" : "visible");
    this.tooltip.hidden = index === null || !withTooltip;
    if (index === null) return;
    const x = this.x(this.steps[index]);
    this.pointer.setAttribute("x1", x);
    this.pointer.setAttribute("x2", x);
    if (withTooltip) this.fillTooltip(index, lines, x);
  }

  fillTooltip(index, lines, x) {
    const key = this.column.key;
    const sorted = [...lines].sort((one, other) => other.curves[key][0][index] - one.curves[key][0][index]);
    const rows = sorted.map((line) => html("tr", {}, html("td", {}, swatch(line)), html("td", {}, line.name), html("td", {}, withInterval(line, key, index, this.column))));
    this.tooltip.replaceChildren(html("strong", {}, `step ${this.steps[index]}`), html("table", {}, html("tbody", {}, ...rows)));
    this.placeTooltip(x);
  }

  /** Below the chart, or above it where there is no room: never over the curves that are read. */
  placeTooltip(x) {
    const { style, offsetWidth, offsetHeight } = this.tooltip;
    const room = Math.max(0, this.root.clientWidth - offsetWidth);
    style.left = `${Math.max(0, Math.min(x - offsetWidth / 2, room))}px`;
    const box = this.root.getBoundingClientRect();
    const below = box.bottom + offsetHeight < window.innerHeight - 60 || box.top < offsetHeight;
    style.top = below ? "100%" : `${-offsetHeight}px`;
  }
}
