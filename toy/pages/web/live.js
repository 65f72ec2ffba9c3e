// The live page. TOY (from toy/pages/live.py) holds the world's and the training's defaults and the words; engine.js computes.

const SVG = "http://www.w3.org/2000/svg";
const SIDES = ["left", "right"];
const byId = (id) => document.getElementById(id);
const signed = (value, digits = 2) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
const plain = (value, digits = 2) => value.toFixed(digits).replace("-", "−");
const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;

/** Make an element; functions become listeners. */
function make(name, attributes = {}, ...children) {
  const node = name in { svg: 1, line: 1, path: 1, text: 1, polyline: 1, circle: 1, title: 1 } ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(key, value);
    else node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

/** A kind's mark around a point: shapes differ, so that no colour is needed. */
function shape(kind, x, y, size) {
  const r = size / 2;
  return [
    `M${x - r} ${y}a${r} ${r} 0 1 0 ${size} 0a${r} ${r} 0 1 0 ${-size} 0z`,
    `M${x - r} ${y - r}h${size}v${size}h${-size}z`,
    `M${x} ${y - r * 1.3}l${r * 1.3} ${r * 1.3}l${-r * 1.3} ${r * 1.3}l${-r * 1.3} ${-r * 1.3}z`,
    `M${x - 0.6} ${y - r}h1.2v${size}h-1.2z`,
  ][kind];
}

function mark(kind) {
  return make("svg", { viewBox: "-6 -6 12 12", "aria-hidden": "true" }, make("path", { d: shape(kind, 0, 0, 9), class: KINDS[kind] }));
}

/** The tree of all answers: places never move, only thickness, size and light. */
class TreeView {
  constructor(root) {
    this.lines = [];
    this.picture = make("svg", { viewBox: "0 0 560 172", role: "img" });
    const { branching, depth } = TOY.defaults;
    const place = (level, index) => [((index + 0.5) * 560) / branching ** level, 8 + (132 * level) / depth];
    for (let level = 1; level <= depth; level++) {
      for (let index = 0; index < branching ** level; index++) {
        const [x1, y1] = place(level - 1, Math.floor(index / branching)), [x2, y2] = place(level, index);
        this.lines.push(make("line", { x1, y1, x2, y2 }));
      }
    }
    this.leaves = Array.from({ length: branching ** depth }, () => make("path"));
    this.place = (path) => place(depth, path)[0];
    this.picture.append(...this.lines, ...this.leaves);
    root.append(this.picture);
  }

  /** Mark what the expert shows. */
  prepare(policy) {
    this.picture.querySelectorAll(".expert").forEach((node) => node.remove());
    const shown = new Set(policy.layout.demonstration);
    for (const path of shown) this.picture.append(make("path", { class: "expert", d: `M${this.place(path) - 4} 171l4 -7l4 7` }));
  }

  draw(policy, lit, sentence) {
    const on = lit === null ? [] : policy.edges(lit);
    this.lines.forEach((line, edge) => {
      const weight = Math.exp(policy.reach[edge + 1] / 2);
      line.setAttribute("stroke-width", (0.3 + 6 * weight).toFixed(2));
      line.setAttribute("stroke-opacity", (0.1 + 0.9 * weight).toFixed(3));
      line.setAttribute("class", on.includes(edge) ? "lit" : "");
    });
    this.leaves.forEach((leaf, path) => {
      const kind = policy.layout.kind[path], size = (kind === 3 ? 2 : 4) + 16 * Math.sqrt(policy.probability[path]);
      leaf.setAttribute("d", shape(kind, this.place(path), 150, size));
      leaf.setAttribute("class", KINDS[kind]);
    });
    this.picture.setAttribute("aria-label", `Tree of ${policy.paths} answers. ${sentence}`);
  }
}

/** A quantity over the steps, both policies, with the curves of earlier runs as ghosts. */
class Chart {
  constructor(root, key, title, top, ticks) {
    Object.assign(this, { key, top, ghosts: [] });
    this.picture = make("svg", { viewBox: "0 0 560 138", role: "img" });
    for (const tick of ticks) {
      this.picture.append(make("line", { class: "grid", x1: 34, x2: 512, y1: this.y(tick), y2: this.y(tick) }));
      this.picture.append(make("text", { x: 29, y: this.y(tick) + 4, "text-anchor": "end" }, String(tick)));
    }
    for (const step of [0, TOY.defaults.steps / 2, TOY.defaults.steps]) this.picture.append(make("text", { x: this.x(step), y: 135, "text-anchor": "middle" }, String(step)));
    this.ghostly = this.picture.appendChild(document.createElementNS(SVG, "g"));
    this.lines = SIDES.map((side) => make("polyline", { class: side }));
    this.ends = SIDES.map((side) => make("text", { class: side }));
    this.picture.append(...this.lines, ...this.ends);
    root.append(make("figure", { class: "chart", style: "margin:0" }, make("figcaption", {}, title), this.picture));
  }

  x(step) { return 34 + (478 * step) / TOY.defaults.steps; }
  y(value) { return 118 - (112 * Math.min(value, this.top)) / this.top; }

  draw(history, names) {
    const heights = SIDES.map((side, place) => this.y(history[place].at(-1)[this.key]));
    const lower = heights[0] > heights[1] ? 0 : 1, clash = Math.max(0, 18 - Math.abs(heights[0] - heights[1]));
    heights[1 - lower] -= clash; // the labels of two ends never cover each other
    SIDES.forEach((side, place) => {
      const values = history[place].map((point) => point[this.key]);
      this.lines[place].setAttribute("points", values.map((value, step) => `${this.x(step).toFixed(1)},${this.y(value).toFixed(1)}`).join(" "));
      this.ends[place].textContent = plain(values.at(-1), 3);
      this.ends[place].setAttribute("x", this.x(values.length - 1) + 4);
      this.ends[place].setAttribute("y", heights[place] + 4);
    });
    const spoken = names.map((name, place) => `${name} ${plain(history[place].at(-1)[this.key], 3)}`).join(", ");
    this.picture.setAttribute("aria-label", `Exact ${this.key} after ${history[0].length - 1} steps: ${spoken}`);
  }

  /** Keep the present curves as ghosts, the last few of them. */
  haunt(label) {
    this.lines.forEach((line) => {
      const ghost = line.cloneNode();
      ghost.classList.add("ghost");
      ghost.append(make("title", {}, label));
      this.ghostly.append(ghost);
    });
    while (this.ghostly.childNodes.length > 12) this.ghostly.firstChild.remove();
  }
}

/** An arrow from the middle, for a number with a sign. */
function arrow(value, scale) {
  const end = Math.max(-44, Math.min(44, value * scale)), tip = end < 0 ? -5 : 5;
  const drawn = Math.abs(end) < 0.05 ? [] : [make("path", { class: value < 0 ? "down" : "up", d: `M0 -3H${end}V-6L${end + tip} 0L${end} 6V3H0z` })];
  return make("svg", { class: "arrow", viewBox: "-50 -7 100 14", "aria-hidden": "true" }, make("line", { class: "axis", x1: 0, x2: 0, y1: -7, y2: 7 }), ...drawn);
}

/** The table of one group: every number is a button that shows where it comes from. */
class Lens {
  constructor(page) {
    this.page = page;
    this.table = byId("lens");
    this.prompt = byId("prompt");
    for (let prompt = 0; prompt < TOY.defaults.prompts; prompt++) this.prompt.append(make("option", { value: prompt }, String(prompt + 1)));
    this.prompt.addEventListener("change", () => this.draw());
    this.table.addEventListener("keydown", (event) => this.move(event));
    this.at = [0, 0];
  }

  draw() {
    const { comparison, settings } = this.page;
    const group = comparison.batches[1][Number(this.prompt.value)], policy = comparison.policies[1];
    const method = METHODS[settings.method], expert = method.expert;
    const heads = ["path", "verdict s", ...(expert ? ["gap Δ to the expert, nats", "gate"] : []), "advantage A", "GRPO’s push", ...(expert ? ["calibration’s push"] : [])];
    const rows = group.rows.map((row) => this.row(row, group, policy, method));
    if (expert) rows.push(this.expertRow(group, policy, method, heads.length));
    const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
    const focused = this.table.contains(document.activeElement);
    this.table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
    this.show("");
    this.rove(0, 0, focused);
  }

  row(row, group, policy, method) {
    const { slope, exploration_weight: weight } = this.page.settings;
    const right = group.rows.filter((one) => one.correct).length, of = group.rows.length, mean = right / of;
    const deviation = Math.sqrt((of * mean * (1 - mean)) / (of - 1)), scale = method.scaled ? ` / (${plain(deviation, 3)} + 0.000001)` : "";
    const s = row.correct ? "+1" : "−1", each = method.byToken ? "; one number a token, here their mean" : "";
    const logProb = [sum(row.logProb), sum(group.expertLogProb)];
    const gap = average(row.gap), gate = average(row.gate), push = average(row.calibration);
    const gates = row.gate.map((value) => (value === 1 ? "1" : `α = ${slope}`));
    const gapText = method.byToken
      ? `Δ, token by token: ${row.gap.map((value) => signed(value)).join(", ")} nats`
      : `Δ = log π(response) − log π(expert) = ${plain(logProb[0], 3)} − (${plain(logProb[1], 3)}) = ${plain(gap, 3)} nats`;
    const gateText = method.byToken
      ? `gate, token by token: 1 where −s Δ is above 0, else α: ${gates.join(", ")}`
      : `−s Δ = −(${s}) × ${plain(gap, 3)} = ${plain(-row.sign * gap, 3)}: ${row.gate[0] === 1 && -row.sign * gap > 0 ? "above 0, so the gate is 1" : `not above 0, the policy is already on the verdict’s side of the expert, so the gate is α = ${slope}`}`;
    const cells = [
      [row.correct ? "✓ +1" : "✗ −1", `The verifier says ${row.correct ? "right" : "wrong"}: s = ${s}. A ${KINDS[policy.layout.kind[row.path]]} path is right ${percent(policy.layout.success[row.path])} of the time.`],
      ...(method.expert ? [
        [[arrow(gap, 4), ` ${signed(gap, 1)}`], gapText],
        [method.byToken ? plain(gate) : gates[0], gateText],
      ] : []),
      [signed(row.advantage), `A = (${row.correct ? 1 : 0} − ${plain(mean, 3)})${scale} = ${signed(row.advantage, 4)}; ${right} of the group’s ${of} are right${method.scaled ? "" : "; this form does not divide by the deviation"}`],
      [[arrow(row.advantage, 16), ` ${signed(row.advantage)}`], `On each token of this response: A = ${signed(row.advantage, 4)}. Nothing has moved since it was sampled, so the ratio is 1 and nothing is clipped.`],
      ...(method.expert ? [[[arrow(push, 100), ` ${signed(push, 3)}`], `λ s |A| gate = ${weight} × (${s}) × ${plain(Math.abs(row.advantage), 4)} × ${plain(gate, 3)} = ${signed(push, 4)}${each}`]] : []),
    ];
    return make("tr", {}, this.pathCell(row.path, policy), ...cells.map(([content, formula]) => this.cell(content, formula)));
  }

  expertRow(group, policy, method, columns) {
    const left = average(group.onExpert);
    const text = method.pull
      ? `What the group leaves over: −Σ λ s |A| gate = −(${group.rows.map((row) => signed(average(row.calibration), 3)).join(" ")}) = ${signed(left, 4)}. Where every response is likelier than the expert’s, that is λ (1 − α) Σ A over the right ones.`
      : "No gradient flows into the expert here: nothing is left over for it.";
    const fill = make("td", { colspan: columns - 2 }, "the expert’s response; left over for it →");
    return make("tr", { class: "expert-row" }, this.pathCell(group.expert, policy), fill, this.cell([arrow(left, 100), ` ${signed(left, 3)}`], text));
  }

  pathCell(path, policy) {
    const kind = policy.layout.kind[path];
    const choices = policy.edges(path).map((edge) => edge % policy.branching).join("·");
    const light = () => this.page.light(this.page.lit === path ? null : path);
    const button = make("button", { type: "button", tabindex: -1, click: light, "aria-label": `${KINDS[kind]} path ${choices}: light it up` }, mark(kind), `${choices} ${KINDS[kind]}`);
    return make("th", { scope: "row", "data-path": path }, button);
  }

  cell(content, formula) {
    return make("td", {}, make("button", { type: "button", tabindex: -1, click: () => this.show(formula) }, ...[content].flat()));
  }

  show(formula) {
    byId("formula").textContent = formula || "Choose a number.";
  }

  /** One stop of the tab key for the whole table; the arrow keys move inside. */
  rove(row, column, focus) {
    const rows = [...this.table.tBodies[0].rows].map((one) => [...one.querySelectorAll("button")]);
    const line = rows[Math.max(0, Math.min(row, rows.length - 1))], button = line[Math.max(0, Math.min(column, line.length - 1))];
    rows.flat().forEach((one) => { one.tabIndex = -1; });
    button.tabIndex = 0;
    if (focus) button.focus();
    this.at = [rows.indexOf(line), line.indexOf(button)];
  }

  move(event) {
    const [down, across] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [];
    if (down === undefined) return;
    event.preventDefault();
    const rows = [...this.table.tBodies[0].rows], own = event.target.closest("tr");
    const place = [...own.querySelectorAll("button")].indexOf(event.target.closest("button"));
    this.rove(rows.indexOf(own) + down, place + across, true);
  }
}

function average(values) {
  return values.length ? sum(values) / values.length : 0;
}

/** Every seed's accuracy at the end, one dot each. */
class Dots {
  constructor(page) {
    this.page = page;
    this.turn = 0;
    byId("many").addEventListener("click", () => this.run());
  }

  clear() {
    this.turn += 1;
    byId("dots").replaceChildren();
    byId("many-result").textContent = byId("many-says").textContent = "";
  }

  async run() {
    this.clear();
    const turn = this.turn, settings = { ...this.page.settings }, names = this.page.names(), found = [[], []];
    const pictures = SIDES.map((side, place) => {
      const picture = make("svg", { viewBox: "0 0 560 120", role: "img" });
      for (const tick of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
        picture.append(make("line", { class: "grid", x1: 20 + 520 * tick, x2: 20 + 520 * tick, y1: 2, y2: 100 }));
        picture.append(make("text", { x: 20 + 520 * tick, y: 115, "text-anchor": "middle" }, String(tick)));
      }
      byId("dots").append(make("figure", { class: `dots ${side}`, style: "margin:0" }, make("figcaption", {}, names[place], make("small", {}, " accuracy at the end")), picture));
      return picture;
    });
    for (let seed = 0; seed < TOY.seeds && turn === this.turn; seed++) {
      const comparison = new Comparison({ ...settings, seed }, ["grpo", settings.method]);
      while (comparison.step < settings.steps) comparison.advance();
      comparison.policies.forEach((policy, place) => {
        const { accuracy } = policy.measure(), bin = Math.round(accuracy * 32); // three abreast in a pile
        const below = found[place].filter((other) => Math.round(other * 32) === bin).length;
        found[place].push(accuracy);
        const dot = make("circle", { cx: 20 + (520 * bin) / 32 + 5 * ((below % 3) - 1), cy: 96 - 7 * Math.floor(below / 3), r: 2.8 }, make("title", {}, `seed ${seed}: ${accuracy.toFixed(3)}`));
        if (seed === settings.seed) dot.classList.add("own");
        pictures[place].append(dot);
      });
      byId("many-says").textContent = `${seed + 1} of ${TOY.seeds}`;
      await new Promise((resolve) => setTimeout(resolve));
    }
    if (turn !== this.turn) return;
    const sentences = found.map((values, place) => {
      const solved = values.filter((value) => value > TOY.solved_above).length, [low, high] = wilson(solved, values.length);
      const sentence = `${names[place]}: ${solved} of ${values.length} seeds found a sound path (${percent(solved / values.length)}, 95 % interval ${percent(low)} to ${percent(high)})`;
      pictures[place].setAttribute("aria-label", sentence);
      return sentence;
    });
    byId("many-result").textContent = `${sentences.join("; ")}. Wilson’s intervals; a sound path is found where accuracy is above ${TOY.solved_above}.`;
  }
}

const GUESSES = [
  ["near 0.60: it stays on a shortcut", (value) => value > 0.5 && value < 0.65],
  ["near 0.95: it finds a sound path", (value) => value > TOY.solved_above],
  ["elsewhere: it settles on neither", (value) => value <= 0.5 || (value >= 0.65 && value <= TOY.solved_above)],
];

class Page {
  constructor() {
    this.timer = null;
    this.lit = null;
    this.guess = null;
    this.guesses = { made: 0, right: 0 };
    this.trees = SIDES.map((side) => new TreeView(byId(`tree-${side}`)));
    this.charts = [
      new Chart(byId("charts"), "entropy", "Exact entropy, nats per decision", 1, [0, 0.5, 1]),
      new Chart(byId("charts"), "accuracy", "Exact accuracy", 1, [0, 0.5, 1]),
    ];
    this.lens = new Lens(this);
    this.dots = new Dots(this);
    byId("steps").textContent = TOY.defaults.steps;
    this.makeKey();
    this.makeSliders();
    this.makePresets();
    byId("method").addEventListener("change", () => this.change({ method: byId("method").value }));
    byId("train").addEventListener("click", () => (this.timer ? this.stop() : this.train()));
    byId("one").addEventListener("click", () => this.jump(this.comparison.step + 1));
    byId("end").addEventListener("click", () => this.ask(() => this.jump(this.settings.steps)));
    byId("again").addEventListener("click", () => this.start());
    byId("copy").addEventListener("click", () => this.copy());
    byId("guessing").addEventListener("change", () => { byId("guess").hidden = true; });
    window.addEventListener("hashchange", () => { if (location.hash !== this.address) this.open(); });
    this.open();
  }

  makeKey() {
    const words = { sound: TOY.defaults.sound_success, shortcut: TOY.defaults.shortcut_success, flawed: TOY.defaults.flawed_success, unsound: TOY.defaults.unsound_success };
    const items = KINDS.map((kind, place) => make("li", {}, mark(place), `${kind}${kind === "flawed" ? " (the expert’s alone)" : ""}: right ${percent(words[kind])}`));
    const expert = make("svg", { viewBox: "-6 -6 12 12", "aria-hidden": "true" }, make("path", { class: "expert", d: "M-4 4l4 -8l4 8" }));
    byId("key").append(...items, make("li", {}, expert, "the expert shows it"), make("li", {}, "thickness: root of the probability"));
  }

  makeSliders() {
    this.sliders = TOY.sliders.map(({ name, label, min, max, step }) => {
      const output = make("output", { for: name });
      const input = make("input", { type: "range", id: name, min, max, step, input: () => this.change({ [name]: Number(input.value) }) });
      byId("sliders").append(make("label", { for: name }, output, label, input));
      return { name, label, input, output };
    });
  }

  makePresets() {
    for (const { question, changes } of TOY.presets) {
      byId("presets").append(make("button", { type: "button", click: () => this.preset(changes) }, question));
    }
    byId("presets").append(make("button", { type: "button", click: () => this.preset({ ...this.settings, seed: (this.settings.seed + 1) % TOY.seeds }) }, "Another seed?"));
  }

  /** Settings of a question, trained at once; a question starts from the defaults. */
  preset(changes) {
    this.change({ ...TOY.defaults, seed: this.settings.seed, ...changes });
    this.train();
  }

  names() {
    return ["GRPO", TOY.methods[this.settings.method]];
  }

  /** Read the settings from the address: unknown names and values are left out, sliders keep numbers within their ends. */
  open() {
    const given = new URLSearchParams(location.hash.slice(1)), settings = { ...TOY.defaults };
    if (given.get("method") in TOY.methods) settings.method = given.get("method");
    for (const { name, input } of this.sliders) {
      input.value = Number.isFinite(Number.parseFloat(given.get(name))) ? given.get(name) : TOY.defaults[name];
      settings[name] = Number(input.value);
    }
    this.settings = settings;
    this.start();
    const step = Math.min(Number.parseInt(given.get("step") ?? 0, 10) || 0, settings.steps);
    if (step > 0) this.jump(step);
  }

  change(changes) {
    Object.assign(this.settings, changes);
    this.start();
  }

  /** Begin anew with the present settings; what was drawn stays as a ghost. */
  start() {
    this.halt();
    if (this.comparison?.step) for (const chart of this.charts) chart.haunt(this.label);
    byId("guess").hidden = true;
    this.guess = null;
    this.lit = null;
    this.comparison = new Comparison(this.settings, ["grpo", this.settings.method]);
    this.label = `${TOY.methods[this.settings.method]}: ${this.sliders.map(({ name, label }) => `${label} ${this.settings[name]}`).join(", ")}`;
    this.history = SIDES.map(() => []);
    this.note();
    this.trees.forEach((tree, place) => tree.prepare(this.comparison.policies[place]));
    this.dots.clear();
    this.reflect();
    this.draw();
    this.lens.draw();
  }

  /** Show the settings in sliders, address and command. */
  reflect() {
    byId("method").value = this.settings.method;
    const read = TOY.reads[this.settings.method];
    for (const { name, label, input, output } of this.sliders) {
      input.value = this.settings[name];
      output.textContent = this.settings[name];
      input.setAttribute("aria-valuetext", `${label} ${this.settings[name]}`);
      input.disabled = TOY.optional.includes(name) && !read.includes(name);
      input.parentElement.classList.toggle("idle", input.disabled);
    }
    byId("command").textContent = this.command();
    this.remember();
  }

  command() {
    const changed = this.sliders.filter(({ name, input }) => !input.disabled && name !== "seed" && this.settings[name] !== TOY.defaults[name]);
    const flags = changed.map(({ name }) => `--${name.replaceAll("_", "-")} ${this.settings[name]}`);
    return ["python -m toy watch", `--seed ${this.settings.seed}`, `--method ${this.settings.method}`, ...flags].join(" ");
  }

  /** Keep in the address what differs from the defaults, and the step. */
  remember() {
    const names = ["method", ...this.sliders.map(({ name }) => name)].filter((name) => this.settings[name] !== TOY.defaults[name]);
    const state = new URLSearchParams(names.map((name) => [name, this.settings[name]]));
    if (this.comparison.step) state.set("step", this.comparison.step);
    this.address = state.size ? `#${state}` : "";
    if (location.hash !== this.address) history.replaceState(null, "", this.address || location.pathname + location.search);
  }

  note() {
    this.comparison.policies.forEach((policy, place) => this.history[place].push(policy.measure()));
  }

  advance(steps) {
    for (let done = 0; done < steps && this.comparison.step < this.settings.steps; done++) {
      this.comparison.advance();
      this.note();
    }
    this.draw();
    if (this.comparison.step >= this.settings.steps) this.stop();
  }

  jump(step) {
    this.halt();
    this.advance(step - this.comparison.step);
    this.stop();
  }

  train() {
    if (this.comparison.step >= this.settings.steps) this.start();
    this.ask(() => {
      byId("train").textContent = "❚❚ pause";
      const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
      this.timer = setInterval(() => this.advance(still ? 100 : 3), still ? 600 : 25);
    });
  }

  halt() {
    clearInterval(this.timer);
    this.timer = null;
    byId("train").textContent = "▶ train";
  }

  /** End a training or pause it: say where it is, and show its next group. */
  stop() {
    this.halt();
    this.remember();
    this.lens.draw();
    byId("status").textContent = `Step ${this.comparison.step}. ${SIDES.map((side, place) => `${this.names()[place]}: ${this.sentence(place)}`).join(" ")}`;
    if (this.guess !== null && this.comparison.step >= this.settings.steps) this.judge();
  }

  /** In the guess-first mode a training waits for the reader's guess. */
  ask(go) {
    if (!byId("guessing").checked || this.comparison.step > 0) return go();
    const buttons = GUESSES.map(([text], place) => make("button", { type: "button", click: () => { this.guess = place; byId("guess").hidden = true; byId("train").focus(); go(); } }, text));
    byId("guess").replaceChildren(make("b", {}, `Where will the accuracy of ${this.names()[1]} end? `), ...buttons);
    byId("guess").hidden = false;
    buttons[0].focus();
  }

  judge() {
    const end = this.history[1].at(-1).accuracy, truth = GUESSES.findIndex(([, holds]) => holds(end));
    this.guesses.made += 1;
    this.guesses.right += truth === this.guess ? 1 : 0;
    const verdict = truth === this.guess ? "Right" : "Not this time";
    byId("guess").textContent = `${verdict}: you said “${GUESSES[this.guess][0]}”, it ended at ${end.toFixed(2)}. ${this.guesses.right} of ${this.guesses.made} guesses right so far. One seed is one toss: the dots below show all.`;
    byId("guess").hidden = false;
    this.guess = null;
  }

  sentence(place) {
    const { entropy, accuracy, mass } = this.history[place].at(-1);
    const kind = mass.indexOf(Math.max(...mass));
    return `entropy ${plain(entropy)}, accuracy ${plain(accuracy)}: ${percent(mass[kind], 1)} on ${KINDS[kind]}${kind === 1 ? "s" : " paths"}${kind ? `, ${percent(mass[0], 1)} on sound ones` : `, coverage ${plain(this.history[place].at(-1).coverage)}`}.`;
  }

  light(path) {
    this.lit = path;
    this.draw();
    for (const row of this.lens.table.tBodies[0].rows) row.classList.toggle("lit", Number(row.cells[0].dataset.path) === path);
  }

  draw() {
    byId("step").textContent = this.comparison.step;
    this.comparison.policies.forEach((policy, place) => {
      const sentence = this.sentence(place);
      this.trees[place].draw(policy, this.lit, sentence);
      byId(`says-${SIDES[place]}`).textContent = sentence;
    });
    for (const chart of this.charts) chart.draw(this.history, this.names());
  }

  async copy() {
    const text = byId("command").textContent;
    try {
      await navigator.clipboard.writeText(text);
      byId("copied").textContent = "copied";
    } catch {
      getSelection().selectAllChildren(byId("command"));
      byId("copied").textContent = "selected: copy it with your keyboard";
    }
  }
}

const page = new Page();
