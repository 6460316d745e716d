// The gradient explorer: its figure is made by gradient.py, and is changed here. The numbers are
// computed when the reader changes something; until then the figure shows those of Python.
(() => {
  "use strict";
  if (customElements.get("gradient-explorer")) return;

  // mulberry32, and the order of draws, as in gradient.py.
  function uniform(seed) {
    return () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  function drawn({ seed, longest, hiddenSize, gates }) {
    const next = uniform(seed);
    const draw = ([size, ...inner], bound) =>
      Array.from({ length: size }, () => (inner.length ? draw(inner, bound) : (2 * next() - 1) * bound));
    const x = draw([longest, 1], Math.sqrt(3));
    const bound = 1 / Math.sqrt(hiddenSize);
    const parameters = {};
    for (const [kind, n] of Object.entries(gates)) {
      parameters[kind] = {
        W: draw([n, hiddenSize, 1], bound),
        U: draw([n, hiddenSize, hiddenSize], bound),
        b: draw([n, hiddenSize], bound),
      };
    }
    return { x, parameters };
  }

  // The norm of ∂h_t/∂x_s for every s up to t, the last of the steps. A backward pass gives the
  // row of the Jacobian that belongs to one hidden unit.
  function jacobianNorms(kind, p, steps) {
    const H = p.b[0].length;
    const squares = steps.map(() => 0);
    const dOutputs = steps.map(() => new Array(H).fill(0));
    const last = dOutputs.at(-1);
    for (let k = 0; k < H; k++) {
      last.fill(0)[k] = 1;
      const { x } = GateByGateCells.backward(kind, p, steps, dOutputs);
      x.forEach((d, s) => (squares[s] += d[0] * d[0]));
    }
    return squares.map(Math.sqrt);
  }

  const signed = (whole) => String(whole).replace("-", "−");
  const scientific = (value) => signed(value.toExponential(1).replace(/e([+-])(\d)$/, "e$10$2"));

  function number(value) {
    const [mantissa, exponent] = value.toExponential(1).split("e");
    return +exponent === 0 ? mantissa : `${mantissa} × 10<sup>${signed(+exponent)}</sup>`;
  }

  function reach(norms) {
    const most = Math.max(...norms);
    return norms.length - 1 - norms.findIndex((norm) => norm >= 0.01 * most);
  }

  const reachText = (norms) =>
    `${reach(norms)} steps back` + (reach(norms) === norms.length - 1 ? ", the oldest" : "");

  const words = (kind, norms) =>
    `${kind}: the gradient’s norm is ${scientific(norms.at(-1))} for the newest input and ` +
    `${scientific(norms[0])} for the oldest, ${norms.length - 1} steps back. The furthest with ` +
    `1 % of the largest or more: ${reachText(norms)}.`;

  class GradientExplorer extends HTMLElement {
    connectedCallback() {
      // While the page is read, what is in the element may not be there yet.
      if (document.readyState === "loading") {
        document.addEventListener("DOMContentLoaded", () => this.start(), { once: true });
      } else this.start();
    }

    start() {
      if (this.settings) return; // it was only moved within the page
      this.settings = JSON.parse(this.dataset.settings);
      this.settings.output = this.settings.length; // counted from 1, as shown
      this.addEventListener("input", ({ target }) => this.change({ [target.dataset.name]: +target.value }));
      this.addEventListener("click", ({ target }) => {
        const { name, forgetBias, gain } = target.dataset;
        if (name === "redraw") this.change({ seed: this.settings.seed + 1 });
        if (gain) this.change({ forgetBias: +forgetBias, gain: +gain });
      });
      const over = this.querySelector(".over");
      const point = ({ clientX }) => {
        const { left, width } = over.getBoundingClientRect();
        const step = Math.ceil(((clientX - left) / width) * this.settings.length);
        this.change({ output: Math.min(Math.max(step, 1), this.settings.length) });
      };
      over.addEventListener("pointerdown", (event) => {
        over.setPointerCapture(event.pointerId);
        point(event);
      });
      over.addEventListener("pointermove", (event) => event.buttons && point(event));
      this.showControls();
    }

    // Weights and inputs as they are set now, and the norms by cell: computed once a change.
    get result() {
      return (this.computed ??= this.compute());
    }

    compute() {
      const { seed, length, output, forgetBias, gain, gates, keeps } = this.settings;
      if (this.draw?.seed !== seed) this.draw = { seed, ...drawn(this.settings) };
      const x = this.draw.x.slice(0, length);
      const parameters = {};
      const norms = {};
      for (const kind of Object.keys(gates)) {
        const { W, U, b } = this.draw.parameters[kind];
        const [gate, sign] = keeps[kind] ?? [];
        const p = (parameters[kind] = {
          W,
          U: U.map((matrix) => matrix.map((row) => row.map((u) => u * gain))),
          b: b.map((row, k) => (k === gate ? row.map(() => sign * forgetBias) : row)),
        });
        norms[kind] = jacobianNorms(kind, p, GateByGateCells.forward(kind, p, x.slice(0, output)));
      }
      return { x, parameters, norms };
    }

    change(changes) {
      const before = this.settings;
      const after = { ...before, ...changes };
      // An output at the end stays at the end.
      if (before.output === before.length && !("output" in changes)) after.output = after.length;
      after.output = Math.min(after.output, after.length);
      if (Object.keys(after).every((key) => after[key] === before[key])) return;
      this.settings = after;
      this.computed = undefined;
      this.showControls();
      // Several events may come in one frame; it is drawn once.
      this.frame ??= requestAnimationFrame(() => {
        this.frame = undefined;
        this.show();
      });
    }

    named(name) {
      return this.querySelector(`[data-name="${name}"]`);
    }

    showControls() {
      const { settings } = this;
      for (const input of this.querySelectorAll("input")) {
        const { name } = input.dataset;
        if (name === "output") input.max = settings.length;
        input.value = settings[name];
        input.previousElementSibling.textContent = settings[name];
      }
      this.named("output").setAttribute("aria-valuetext", `${settings.output} of ${settings.length}`);
      for (const button of this.querySelectorAll("button[data-gain]")) {
        const { forgetBias, gain } = button.dataset;
        button.setAttribute("aria-pressed", +forgetBias === settings.forgetBias && +gain === settings.gain);
      }
      this.named("seed").textContent = settings.seed;
    }

    show() {
      const { length, output, decades: [low, high] } = this.settings;
      const { norms } = this.result;
      const limited = (height, beyond) => Math.min(Math.max(height, -beyond), 1 + beyond);
      for (const strip of this.querySelectorAll(".strip")) {
        const kind = strip.dataset.cell;
        const heights = norms[kind].map((norm) => (Math.log10(norm) - low) / (high - low));
        strip.setAttribute("viewBox", `0 0 ${length} 1`);
        strip.setAttribute("aria-label", words(kind, norms[kind]));
        while (strip.childElementCount > output) strip.lastElementChild.remove();
        while (strip.childElementCount < output) {
          const square = strip.firstElementChild.cloneNode();
          square.setAttribute("x", strip.childElementCount);
          strip.append(square);
        }
        heights.forEach((p, s) => strip.children[s].style.setProperty("--p", (100 * limited(p, 0)).toFixed(1)));
        const points = heights.map((p, s) => `${s + 0.5},${((high - low) * (1 - limited(p, 1))).toFixed(2)}`);
        this.querySelector(`.lines .${kind.toLowerCase()}`).setAttribute("points", points.join(" "));
        const [, ratio, furthest] = this.querySelector(`tr[data-cell="${kind}"]`).children;
        ratio.innerHTML = number(norms[kind][0] / norms[kind].at(-1));
        furthest.textContent = reachText(norms[kind]);
      }
      this.querySelector(".lines").setAttribute("viewBox", `0 0 ${length} ${high - low}`);
      const now = this.querySelector(".now").style;
      now.left = `${(100 * (output - 1)) / length}%`;
      now.width = `${100 / length}%`;
      this.querySelector(".later").style.left = `${(100 * output) / length}%`;
      this.named("last").textContent = length;
      this.named("back").textContent = output - 1;
      clearTimeout(this.saying);
      this.saying = setTimeout(() => this.say(), 500);
    }

    // For screen readers, when the slider has come to rest.
    say() {
      const { output, length, forgetBias, gain, seed } = this.settings;
      const reaches = Object.entries(this.result.norms).map(([kind, n]) => `${kind} ${reachText(n)}`);
      this.querySelector("[aria-live]").textContent =
        `Output at step ${output} of ${length}, forget-gate bias ${forgetBias}, recurrent gain ${gain}, ` +
        `draw ${seed}. At least 1 % of the largest gradient: ${reaches.join(", ")}.`;
    }
  }

  customElements.define("gradient-explorer", GradientExplorer);
})();
