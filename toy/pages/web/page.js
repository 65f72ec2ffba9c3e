// The page: one step for all, and for each section its choices, charts, maps, bars and table.

/** The kinds of path that each line answers with, as stacked bars. */
class Bars {
  constructor(kinds) {
    this.kinds = kinds;
    const key = kinds.map((kind) => html("li", {}, html("i", { style: `background:${kind.colour}` }), kind.label));
    this.title = html("h3");
    this.rows = html("div");
    this.root = html("div", { class: "kinds" }, this.title, html("ul", { class: "key" }, ...key), this.rows);
  }

  draw(lines, index, step) {
    this.title.textContent = `Where the policy's answers are at step ${step}`;
    this.rows.replaceChildren(...lines.map((line) => this.row(line, index)));
  }

  row(line, index) {
    const masses = this.kinds.map((kind) => line.curves[kind.key][0][index]);
    const parts = this.kinds.map((kind, place) => {
      const text = masses[place] >= 0.12 ? masses[place].toFixed(2) : "";
      const style = `width:${(100 * masses[place]).toFixed(2)}%;background:${kind.colour};color:${textOn(kind.colour)}`;
      return html("i", { style, title: `${line.title}: ${kind.label} ${withInterval(line, kind.key, index)}` }, text);
    });
    const spoken = this.kinds.map((kind) => `${kind.label} ${withInterval(line, kind.key, index)}`).join(", ");
    const bar = html("div", { class: "bar", role: "img", "aria-label": `${line.title}: ${spoken}` }, ...parts);
    return html("div", { class: "bar-row" }, html("span", { title: line.title }, line.name), bar);
  }
}

/** Black or white, whichever is read more easily on a colour. */
function textOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 128 ? "#000000" : "#ffffff";
}

/** One stop of the tab key for a group of controls: the arrow keys move among them, and `current` is where the tab key comes in. */
function rove(root, controls, current, across = 1) {
  const stop = (control) => controls.forEach((one) => { one.tabIndex = one === control ? 0 : -1; });
  stop(current ?? controls[0]);
  root.onkeydown = (event) => {
    const change = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
    const next = controls[controls.indexOf(event.target) + change];
    if (!change || !controls.includes(event.target)) return;
    event.preventDefault();
    if (next) { stop(next); next.focus(); }
  };
  root.addEventListener("focusin", (event) => { if (controls.includes(event.target)) stop(event.target); });
}

/** Boxes that choose which lines are drawn: the main ones, and the others, each with its idea and source, behind a click. */
class Choices {
  constructor(lines, legend, methods, { onChange, onStrong }) {
    this.boxes = new Map();
    const some = lines.some((line) => line.main) && lines.length > 6;
    const pill = (line) => {
      const box = html("input", { type: "checkbox", value: line.label, change: onChange });
      box.checked = line.main || !some;
      this.boxes.set(line.label, box);
      const strong = { pointerenter: () => onStrong(line.label), pointerleave: () => onStrong(null) };
      return html("label", strong, box, swatch(line), line.name);
    };
    const told = (line) => {
      const { idea, source } = methods[line.label];
      const words = [idea ? `: ${idea} ` : " ", ...(source ? [html("a", { href: source }, "source")] : [])];
      return html("li", {}, pill(line), ...words, line.name === line.label ? "" : html("code", {}, line.label));
    };
    const first = lines.filter((line) => line.main || !some), others = lines.filter((line) => !first.includes(line));
    const set = (wanted) => () => {
      for (const [label, box] of this.boxes) box.checked = wanted(label);
      onChange();
    };
    const buttons = [html("button", { type: "button", click: set(() => true) }, "all"), html("button", { type: "button", click: set(() => false) }, "none")];
    const pills = first.map(pill);
    this.root = html("fieldset", { class: "choices" }, html("legend", {}, legend), ...pills, ...buttons);
    if (others.length) {
      const list = html("ul", {}, ...others.map(told));
      this.root.append(html("details", { class: "others" }, html("summary", {}, `${others.length} other methods`), list));
    }
    rove(this.root, [...this.root.querySelectorAll("input, button")]);
    this.start = this.labels.join();
  }

  has(line) {
    return this.boxes.get(line.label).checked;
  }

  get labels() {
    return [...this.boxes].filter(([, box]) => box.checked).map(([label]) => label);
  }

  /** The labels that are chosen, or null where it is what one sees at first. */
  get chosen() {
    return this.labels.join() === this.start ? null : this.labels;
  }

  choose(labels) {
    for (const [label, box] of this.boxes) box.checked = labels.includes(label);
  }
}

/** Where the sliders start: the paper's values, or the middle of an axis without one. */
const START = { slope: 0.5, exploration_weight: 0.1 };

function startOf(axis) {
  const paper = axis.values.indexOf(START[axis.name]);
  return paper >= 0 ? paper : Math.floor((axis.values.length - 1) / 2);
}

/** Sliders over the axes of a map, and for each method a map whose cells can be chosen. */
class Maps {
  constructor(section, ramp, onChange) {
    Object.assign(this, { section, ramp, onChange });
    this.chosen = Object.fromEntries(section.axes.map((axis) => [axis.name, startOf(axis)]));
    this.column = section.columns.find((column) => column.key === "accuracy");
    this.sliders = section.axes.map((axis) => this.slider(axis));
    this.maps = html("div", { class: "maps" });
    this.reading = html("p", { class: "reading", "aria-live": "polite" });
    const controls = html("div", { class: "axes" }, ...this.sliders.map((slider) => slider.root), this.quantity());
    this.root = html("div", {}, controls, this.reading, this.maps);
  }

  slider(axis) {
    const id = `${this.section.name}-${axis.name}`.replaceAll(" ", "_");
    const input = html("input", {
      type: "range", id, min: 0, max: axis.values.length - 1, value: this.chosen[axis.name],
      input: () => this.choose({ [axis.name]: Number(input.value) }),
    });
    const output = html("output", { for: id });
    return { axis, input, output, root: html("div", {}, html("label", { for: id }, axis.label, " ", output), input) };
  }

  quantity() {
    const options = this.section.columns.map((column) => html("option", { value: column.key }, column.title));
    const select = html("select", {
      "aria-label": "Quantity of the maps",
      change: () => {
        this.column = this.section.columns.find((column) => column.key === select.value);
        this.onChange();
      },
    }, ...options);
    select.value = this.column.key;
    return html("div", {}, html("label", {}, "colour of the cells"), select);
  }

  choose(places) {
    Object.assign(this.chosen, places);
    this.onChange();
  }

  /** The line of each method at the chosen place; where a line has no value on an axis it stands for all of them. */
  here(lines) {
    const value = (axis) => axis.values[this.chosen[axis.name]];
    return lines.filter((line) => this.section.axes.every((axis) => !(axis.name in line.at) || line.at[axis.name] === value(axis)));
  }

  /** What the chosen cell says, in words, with intervals. */
  read(lines, index) {
    const values = this.here(lines).map((line) => `${line.name} ${withInterval(line, this.column.key, index, this.column)} (${line.seeds} ${line.seeds > 1 ? "seeds" : "seed"})`);
    const place = this.section.axes.map((axis) => `${axis.label} ${axis.values[this.chosen[axis.name]]}`).join(", ");
    this.reading.replaceChildren(html("b", {}, `${this.column.title} at ${place}: `), values.join("; "));
  }

  draw(lines, index) {
    this.read(lines, index);
    for (const { axis, input, output } of this.sliders) {
      const value = String(axis.values[this.chosen[axis.name]]);
      input.value = this.chosen[axis.name];
      input.setAttribute("aria-valuetext", `${axis.label} ${value}`);
      output.textContent = value;
    }
    const placed = lines.filter((line) => Object.keys(line.at).length);
    const methods = [...new Set(placed.map((line) => line.label))];
    const focused = document.activeElement?.dataset?.cell;
    this.maps.replaceChildren(...methods.map((method) => this.map(method, placed.filter((line) => line.label === method), index)));
    for (const table of this.maps.querySelectorAll("table")) {
      const cells = [...table.querySelectorAll("td button")];
      rove(table, cells, table.querySelector("[aria-pressed=true]"), table.querySelector("tbody tr").querySelectorAll("button").length);
    }
    if (focused) this.maps.querySelector(`[data-cell="${CSS.escape(focused)}"]`)?.focus();
  }

  map(method, lines, index) {
    const [across, down] = this.section.axes;
    const rows = down.values.map((value, place) => [value, place]).filter(([value]) => lines.some((line) => line.at[down.name] === value));
    if (!rows.length) rows.push([undefined, undefined]);
    const body = rows.reverse().map(([value, place]) => {
      const cells = across.values.map((other, column) => {
        const line = lines.find((one) => one.at[across.name] === other && one.at[down.name] === value);
        return html("td", {}, ...(line ? [this.cell(line, column, place, index)] : []));
      });
      return html("tr", {}, html("th", { scope: "row" }, value === undefined ? "all" : String(value)), ...cells);
    });
    const names = across.values.map((value) => html("th", { scope: "col" }, String(value)));
    const foot = html("tfoot", {}, html("tr", {}, html("th", {}, "↑ ", down.label), ...names), html("tr", {}, html("th"), html("th", { colspan: across.values.length }, `${across.label} →`)));
    return html("table", {}, html("caption", {}, `${lines[0].name}: ${this.column.title.toLowerCase()}`), html("tbody", {}, ...body), foot);
  }

  cell(line, column, row, index) {
    const [across, down] = this.section.axes;
    const curve = line.curves[this.column.key];
    const top = this.column.top ?? Math.max(1e-6, ...this.section.lines.map((one) => one.curves[this.column.key][0][index]));
    const shade = this.ramp[Math.round(Math.min(1, Math.max(0, curve[0][index] / top)) * (this.ramp.length - 1))];
    const pressed = this.chosen[across.name] === column && (row === undefined || this.chosen[down.name] === row);
    const places = row === undefined ? { [across.name]: column } : { [across.name]: column, [down.name]: row };
    return html("button", {
      type: "button", "aria-pressed": pressed, "aria-label": `${line.title}: ${withInterval(line, this.column.key, index, this.column)}`,
      title: `${line.title}: ${withInterval(line, this.column.key, index, this.column)}`, "data-cell": line.row,
      style: `background:${shade};color:${textOn(shade)}`, click: () => this.choose(places),
    }, curve[0][index].toFixed(2));
  }
}

/** A section of the page made interactive: the server has drawn its table and a static figure. */
class Section {
  constructor(host, data, study, page) {
    Object.assign(this, { host, data, study, page, strong: null });
    const named = [...new Map(data.lines.map((line) => [line.label, line])).values()];
    this.choices = new Choices(named, data.kinds.length ? "Methods" : "Show", study.methods, {
      onChange: () => this.change(),
      onStrong: (label) => this.stress(label),
    });
    this.charts = data.columns.filter((column) => column.panel).map((column) => this.chart(column));
    this.bars = data.kinds.length ? new Bars(data.kinds) : null;
    this.maps = data.axes.length ? new Maps(data, study.ramp, () => this.change()) : null;
    this.rows = [...host.querySelectorAll(".outcomes tbody tr")];
    const panels = html("div", { class: "panels" }, ...this.charts.map((chart) => chart.root));
    const parts = [this.choices.root, this.maps?.root, panels, this.bars?.root].filter(Boolean);
    const place = host.querySelector(".interactive");
    place.append(...parts);
    place.hidden = false;
    host.querySelector(".static").hidden = true;
  }

  chart(column) {
    return new Chart(column, this.study.steps, {
      symlogFrom: this.study.symlogFrom,
      domain: () => this.domain(column),
      onHover: (index, chart) => this.hover(index, chart),
      onPick: (index) => this.page.go(index),
      onMove: (change, chart) => {
        this.page.go(this.page.index + change);
        this.hover(this.page.index, chart);
      },
    });
  }

  /** The lines that fix a vertical axis: on a logarithmic one the panels share it, or they could not be compared. */
  domain(column) {
    if (!column.symlog) return this.data.lines;
    const all = this.data.lines.flatMap((line) => Object.values(line.curves));
    return all.map((curve) => ({ curves: { [column.key]: curve } }));
  }

  change() {
    this.draw();
    this.page.remember();
  }

  visible() {
    const chosen = this.data.lines.filter((line) => this.choices.has(line));
    return this.maps ? this.maps.here(chosen) : chosen;
  }

  hover(index, pointed) {
    const lines = this.visible();
    for (const chart of this.charts) chart.hover(index, lines, chart === pointed);
  }

  stress(label) {
    const line = this.visible().find((one) => one.label === label);
    this.strong = line ? line.row : null;
    this.drawCharts();
  }

  drawCharts() {
    for (const chart of this.charts) chart.draw(this.visible(), this.page.index, this.strong);
  }

  draw() {
    const { index } = this.page;
    const step = this.study.steps[index];
    this.maps?.draw(this.data.lines.filter((line) => this.choices.has(line)), index);
    this.drawCharts();
    this.bars?.draw(this.visible(), index, step);
    for (const node of this.host.querySelectorAll(".at-step")) node.textContent = step;
    this.data.lines.forEach((line, row) => {
      this.rows[row].hidden = !this.choices.has(line);
      const cells = this.rows[row].querySelectorAll("td");
      this.data.columns.forEach((column, place) => { cells[place].textContent = withInterval(line, column.key, index, column); });
    });
  }
}

/** The step that the whole page shows. */
class Page {
  constructor(study) {
    this.study = study;
    this.index = study.steps.length - 1;
    this.slider = document.getElementById("step");
    this.output = document.getElementById("step-value");
    this.button = document.getElementById("play");
    this.timer = null;
    this.sections = study.sections.map((data) => new Section(document.querySelector(`[data-section="${CSS.escape(data.name)}"]`), data, study, this));
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    this.button.addEventListener("click", () => this.play());
    for (const node of document.querySelectorAll(".needs-script")) node.hidden = false;
    new ResizeObserver(() => this.draw()).observe(document.querySelector("main"));
    window.addEventListener("hashchange", () => { if (location.hash !== this.address) this.open(); });
    this.open();
  }

  /** Read the step and what each section shows from the address; what it does not have stays. */
  open() {
    const given = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    for (const { data, choices, maps } of this.sections) {
      const shown = given.get(data.name), place = given.get(`${data.name} at`)?.split(",").map(Number);
      if (shown !== null) choices.choose(shown.split("+"));
      if (maps && place?.every((index, axis) => index in (data.axes[axis]?.values ?? []))) data.axes.forEach(({ name }, axis) => { maps.chosen[name] = place[axis] ?? maps.chosen[name]; });
    }
    const step = this.study.steps.indexOf(Number(given.get("step") ?? NaN));
    this.go(step < 0 ? this.index : step);
  }

  /** Keep in the address what was chosen. An address with a place on the page only, as of its contents, is left alone. */
  remember() {
    const state = new URLSearchParams();
    if (this.index < this.study.steps.length - 1) state.set("step", this.study.steps[this.index]);
    for (const { data, choices, maps } of this.sections) {
      if (choices.chosen) state.set(data.name, choices.chosen.join("+"));
      const place = maps && data.axes.map(({ name }) => maps.chosen[name]);
      if (maps && data.axes.some((axis) => maps.chosen[axis.name] !== startOf(axis))) state.set(`${data.name} at`, place.join());
    }
    this.address = state.size ? `#${state}` : "";
    if (this.address || location.hash.includes("=")) history.replaceState(null, "", this.address || location.pathname + location.search);
  }

  go(index) {
    this.index = Math.max(0, Math.min(index, this.study.steps.length - 1));
    const step = String(this.study.steps[this.index]);
    this.slider.value = this.index;
    this.slider.setAttribute("aria-valuetext", `step ${step}`);
    this.output.textContent = step;
    this.draw();
    this.remember();
  }

  draw() {
    for (const section of this.sections) section.draw();
  }

  play() {
    if (this.timer) return this.stop();
    if (this.index === this.study.steps.length - 1) this.go(0);
    this.button.textContent = "❚❚";
    this.button.setAttribute("aria-label", "Pause");
    this.timer = setInterval(() => {
      this.go(this.index + 1);
      if (this.index === this.study.steps.length - 1) this.stop();
    }, 150);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.button.textContent = "▶";
    this.button.setAttribute("aria-label", "Play the training");
  }
}

new Page(JSON.parse(document.getElementById("study").textContent));
