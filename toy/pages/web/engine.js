"use strict";
// The toy in JavaScript: numpy's random numbers, the layout of a world, and training by the closed form that one update
// a batch has. It knows no page and no browser; tests/toy/pages/test_live.py runs it beside toy's trainer and calibrl_ref.
// Settings have their names in toy.world.World and toy.learning.settings.Training.

const KINDS = ["sound", "shortcut", "flawed", "unsound"];

/** What each method reads: the expert, the deviation of a group's rewards, gaps token by token, the expert's gradient. */
const METHODS = {
  "grpo": { scaled: true },
  "calibrl": { scaled: true, expert: true, pull: true },
  "calibrl:detach_expert=true": { scaled: true, expert: true },
  "calibrl_released": { expert: true, byToken: true },
  "entropy_bonus": { scaled: true, bonus: true },
};

/** numpy's SeedSequence: eight words of 32 bits from one or more whole numbers. */
function seedWords(entropy) {
  let constant = 0x43b0d7e5;
  const mixed = (value) => (value ^ (value >>> 16)) >>> 0;
  const hash = (value) => {
    const met = value ^ constant;
    constant = Math.imul(constant, 0x931e8875);
    return mixed(Math.imul(met, constant));
  };
  const mix = (one, other) => mixed(Math.imul(0xca01f9dd, one) - Math.imul(0x4973f715, other));
  const pool = [0, 1, 2, 3].map((place) => hash(entropy[place] ?? 0));
  for (let from = 0; from < 4; from++) for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
  constant = 0x8b51f9dd;
  return Array.from({ length: 8 }, (_, place) => {
    const met = pool[place % 4] ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    return mixed(Math.imul(met, constant));
  });
}

/** numpy's default_rng([seed, stream]): PCG64, of which random() and permutation() are needed. */
class Generator {
  constructor(entropy) {
    const [a, b, c, d, e, f, g, h] = seedWords(entropy).map(BigInt);
    const join = (...words) => words.reduce((whole, word) => (whole << 32n) | word, 0n);
    this.increment = BigInt.asUintN(128, (join(f, e, h, g) << 1n) | 1n);
    this.state = BigInt.asUintN(128, this.increment + join(b, a, d, c));
    this.spare = null;
    this.move();
  }

  move() {
    this.state = BigInt.asUintN(128, this.state * 0x2360ed051fc65da44385df649fccf645n + this.increment);
  }

  bits64() {
    this.move();
    const folded = BigInt.asUintN(64, (this.state >> 64n) ^ this.state);
    const turn = this.state >> 122n;
    return BigInt.asUintN(64, (folded >> turn) | (folded << (64n - turn)));
  }

  bits32() {
    const spare = this.spare;
    const drawn = spare === null ? this.bits64() : 0n;
    this.spare = spare === null ? Number(drawn >> 32n) : null;
    return spare ?? Number(drawn & 0xffffffffn);
  }

  /** A uniform number in [0, 1). */
  random() {
    return Number(this.bits64() >> 11n) / 2 ** 53;
  }

  permutation(count) {
    const order = Array.from({ length: count }, (_, place) => place);
    for (let last = count - 1; last > 0; last--) {
      const mask = 2 ** (32 - Math.clz32(last)) - 1;
      let other = last + 1;
      while (other > last) other = (this.bits32() & mask) >>> 0;
      [order[last], order[other]] = [order[other], order[last]];
    }
    return order;
  }
}

/** The paths of a seed's world, as toy.world.build_paths lays them out for one family of prompts. */
function layOut(world, seed) {
  const paths = world.branching ** world.depth;
  const stream = new Generator([seed, 0]);
  const order = stream.permutation(paths);
  const executable = roundHalfEven(world.executable * world.demonstrations);
  const ends = [world.sound, world.sound + world.shortcuts, world.sound + world.shortcuts + world.demonstrations - executable];
  const kind = new Array(paths);
  order.forEach((path, place) => { kind[path] = ends.filter((end) => place >= end).length; });
  for (let path = 0; path < paths; path++) stream.random(); // whether a shortcut works: of use where families differ
  const weight = Array.from({ length: paths }, () => 1 + 1e-6 * stream.random());
  const masses = [world.sound_prior, world.shortcut_prior, 1 - world.sound_prior - world.shortcut_prior];
  const totals = [0, 0, 0];
  const share = (path) => Math.min(kind[path], 2);
  weight.forEach((value, path) => { totals[share(path)] += value; });
  return {
    kind,
    success: kind.map((value) => world[`${KINDS[value]}_success`]),
    prior: weight.map((value, path) => (masses[share(path)] * value) / totals[share(path)]),
    demonstration: Array.from({ length: world.demonstrations }, (_, place) =>
      place < executable ? order[place % world.sound] : order[ends[1] + place - executable]),
  };
}

/** Python's round. */
function roundHalfEven(value) {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2) : Math.round(value);
}

/**
 * What a group's responses are worth and how hard each of their tokens is pushed, at ratio 1 and before the division by
 * the number of responses: A + lambda s |A| gate, and for the expert what its group leaves over, -sum(lambda s |A| gate).
 * Rows are {logProb: one number a token, correct}; they get advantage, sign, gap, gate and calibration, each of these
 * three one number a token. Returns the push on each of the expert's tokens.
 */
function valueGroup(rows, expert, method, { slope, exploration_weight }) {
  const { scaled, byToken, pull } = METHODS[method];
  const mean = rows.filter((row) => row.correct).length / rows.length;
  const deviation = Math.sqrt((rows.length * mean * (1 - mean)) / (rows.length - 1));
  const onExpert = expert.map(() => 0);
  for (const row of rows) {
    row.sign = row.correct ? 1 : -1;
    row.advantage = ((row.correct ? 1 : 0) - mean) / (scaled ? deviation + 1e-6 : 1);
    const whole = sum(row.logProb) - sum(expert);
    row.gap = expert.map((logProb, token) => (byToken ? row.logProb[token] - logProb : whole));
    row.gate = row.gap.map((gap) => (-row.sign * gap > 0 ? 1 : slope));
    row.calibration = row.gate.map((gate) => exploration_weight * row.sign * Math.abs(row.advantage) * gate);
    if (pull) row.calibration.forEach((push, token) => { onExpert[token] -= push; });
  }
  return onExpert;
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0);
}

/** A table of logits over a tree: node 0 is the root, option a of node i leads to node branching * i + a + 1. */
class Policy {
  constructor(method, settings, layout) {
    Object.assign(this, { method, settings, layout });
    this.branching = settings.branching;
    this.paths = layout.kind.length;
    this.nodes = (this.paths - 1) / (this.branching - 1);
    this.logits = this.conditional(layout.prior);
    this.refresh();
  }

  /** Log-probabilities of the options at each node that give a distribution over paths. */
  conditional(prior) {
    const mass = new Float64Array(this.nodes + this.paths);
    mass.set(prior, this.nodes);
    for (let child = mass.length - 1; child > 0; child--) mass[this.parent(child)] += mass[child];
    return Float64Array.from({ length: mass.length - 1 }, (_, edge) => Math.log(mass[edge + 1]) - Math.log(mass[this.parent(edge + 1)]));
  }

  parent(node) {
    return Math.floor((node - 1) / this.branching);
  }

  /** The edges of a path from the root on; edge e leads to node e + 1. */
  edges(path) {
    const found = [];
    for (let node = path + this.nodes; node > 0; node = this.parent(node)) found.unshift(node - 1);
    return found;
  }

  /** From the logits: each option's log-probability, and the log-probability of reaching each node. */
  refresh() {
    const { logits, branching, nodes } = this;
    this.option = new Float64Array(logits.length);
    this.reach = new Float64Array(nodes + this.paths);
    for (let node = 0; node < nodes; node++) {
      const own = logits.subarray(node * branching, (node + 1) * branching);
      const top = Math.max(...own);
      const scale = top + Math.log(own.reduce((total, value) => total + Math.exp(value - top), 0));
      own.forEach((value, choice) => {
        const edge = node * branching + choice;
        this.option[edge] = value - scale;
        this.reach[edge + 1] = this.reach[node] + this.option[edge];
      });
    }
    this.probability = Float64Array.from(this.reach.subarray(nodes), Math.exp);
  }

  /** Exact quantities. */
  measure() {
    const { kind, success } = this.layout;
    const draws = this.settings.prompts * this.settings.rollouts;
    const mass = [0, 0, 0, 0];
    let entropy = 0, accuracy = 0, coverage = 0;
    this.probability.forEach((chance, path) => {
      entropy -= chance * this.reach[this.nodes + path];
      accuracy += chance * success[path];
      mass[kind[path]] += chance;
      if (kind[path] === 0) coverage -= Math.expm1(draws * Math.log1p(-Math.min(chance, 1 - 1e-12)));
    });
    return { entropy: entropy / this.settings.depth, accuracy, mass, coverage: coverage / this.settings.sound };
  }

  /** A step's groups, sampled and valued: numbers in [0, 1) decide on paths and verdicts. */
  sample({ choice, outcome }) {
    const { settings, layout, option } = this;
    const cumulative = [];
    let total = 0;
    for (const chance of this.probability) cumulative.push((total += chance));
    const score = (path) => this.edges(path).map((edge) => option[edge]);
    return Array.from({ length: settings.prompts }, (_, prompt) => {
      const rows = Array.from({ length: settings.rollouts }, (_, place) => {
        const draw = prompt * settings.rollouts + place;
        const path = search(cumulative, choice[draw] * total);
        return { path, correct: outcome[draw] < layout.success[path], logProb: score(path) };
      });
      const expert = METHODS[this.method].expert ? layout.demonstration[prompt % layout.demonstration.length] : null;
      const expertLogProb = expert === null ? [] : score(expert);
      return { rows, expert, expertLogProb, onExpert: valueGroup(rows, expertLogProb, this.method, settings) };
    });
  }

  /** One step of plain gradient descent on a sampled batch. */
  update(groups) {
    const { settings, option, branching } = this;
    const responses = settings.prompts * settings.rollouts;
    const push = new Float64Array(option.length), visits = new Float64Array(this.nodes);
    for (const { rows, expert, onExpert } of groups) {
      for (const { path, advantage, calibration } of rows) {
        this.edges(path).forEach((edge, token) => {
          push[edge] += advantage + (calibration[token] ?? 0);
          visits[this.parent(edge + 1)] += 1;
        });
      }
      if (expert !== null) this.edges(expert).forEach((edge, token) => { push[edge] += onExpert[token]; });
    }
    const bonus = METHODS[this.method].bonus ? settings.entropy_weight : 0;
    for (let node = 0; node < this.nodes; node++) {
      let pushes = 0, entropy = 0;
      for (let edge = node * branching; edge < (node + 1) * branching; edge++) {
        pushes += push[edge];
        entropy -= Math.exp(option[edge]) * option[edge];
      }
      for (let edge = node * branching; edge < (node + 1) * branching; edge++) {
        const chance = Math.exp(option[edge]);
        const rise = push[edge] - chance * pushes - bonus * visits[node] * chance * (option[edge] + entropy);
        this.logits[edge] += (settings.learning_rate / responses) * rise;
      }
    }
    this.refresh();
  }
}

/** The first place of a rising list whose value is not below the wanted one. */
function search(rising, wanted) {
  let low = 0, high = rising.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rising[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Several methods in one seed's world: every step they meet the same numbers. */
class Comparison {
  constructor(settings, methods) {
    const layout = layOut(settings, settings.seed);
    this.settings = settings;
    this.stream = new Generator([settings.seed, 1]);
    this.policies = methods.map((method) => new Policy(method, settings, layout));
    this.step = 0;
    this.draw();
  }

  /** Let each policy sample the batch of the next step. */
  draw() {
    const numbers = () => Array.from({ length: this.settings.prompts * this.settings.rollouts }, () => this.stream.random());
    const luck = { choice: numbers(), outcome: numbers() };
    numbers(); // whether a verdict is flipped: never here
    this.batches = this.policies.map((policy) => policy.sample(luck));
  }

  advance() {
    this.policies.forEach((policy, place) => policy.update(this.batches[place]));
    this.step += 1;
    this.draw();
  }
}

/** Wilson's 95 % interval of a share. */
function wilson(found, of) {
  const z = 1.959963984540054, share = found / of, z2 = (z * z) / of;
  const half = z * Math.sqrt((share * (1 - share)) / of + z2 / (4 * of));
  return [share + z2 / 2 - half, share + z2 / 2 + half].map((bound) => bound / (1 + z2));
}
