// <gbg-cell>: one unit of a cell to step and play through. companion/explorers/cell.py writes what
// stands here without a script, the settings and the drawings; cells.js has the arithmetic.
(() => {
  "use strict";
  // Once the element is known, another of its kind is born before its content is there; so each
  // is started again by its own script, which stands behind it.
  const startAll = () => document.querySelectorAll("gbg-cell").forEach((element) => element.start());
  if (customElements.get("gbg-cell")) return startAll();

  const MAX_STEPS = 40;
  const MAX_INPUT = 10;
  const MAX_WEIGHT = 12;
  const WIDE = 640; // pixels, as in cell.css
  const PLAY = 800; // milliseconds a step
  const QUIET = 500; // what is said waits until nothing has changed for so long
  const WEIGHTS = {
    W: ["w", "input weight"],
    U: ["u", "recurrent weight"],
    V: ["v", "peephole weight"],
    b: ["b", "bias"],
  };
  let elements = 0;

  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  const minus = (text) => text.replace("-", "−");
  const number = (v) => minus((Math.round(v * 100) / 100 || 0).toFixed(2));
  const clip = (v, low, high) => Math.min(Math.max(v, low), high);
  const tenth = (v) => Math.round(v * 10) / 10 || 0;

  // The numbers in a text, or an error that says what is wrong with it.
  function readSequence(text) {
    const words = text.split(/[\s,;]+/).filter(Boolean);
    if (!words.length) throw new RangeError("Write at least one number.");
    if (words.length > MAX_STEPS) {
      throw new RangeError(`These are ${words.length} numbers; ${MAX_STEPS} is the most.`);
    }
    return words.map((word) => {
      const plain = word.replace("−", "-");
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) {
        const said = word.length > 20 ? word.slice(0, 20) + "…" : word;
        throw new RangeError(`“${said}” is not a number. Write numbers like 0.5, -1, 2.`);
      }
      if (Math.abs(plain) > MAX_INPUT) {
        throw new RangeError(`${word} lies outside of −${MAX_INPUT} to ${MAX_INPUT}.`);
      }
      return Number(plain);
    });
  }

  class CellExplorer extends HTMLElement {
    connectedCallback() {
      this.start();
    }

    start() {
      if (this.settings || !this.querySelector("svg")) return;
      this.settings = JSON.parse(this.dataset.settings);
      this.kind = this.settings.cell;
      this.drawings = { [this.settings.cells[this.kind].drawing]: this.querySelector("svg") };
      for (const template of this.querySelectorAll("template")) {
        this.drawings[template.dataset.cell] = template.content.firstElementChild;
      }
      this.build();
      this.usePreset(this.settings.preset);
    }

    disconnectedCallback() {
      this.play(false);
    }

    // What a test or a page may set: kind, step, x (numbers), weights[kind] ({W, U, b, V}, each
    // with one number a gate); then call update().

    get parameters() {
      const { W, U, b, V } = this.weights[this.kind];
      const nested = { W: W.map((w) => [[w]]), U: U.map((u) => [[u]]), b: b.map((v) => [v]) };
      return V ? { ...nested, V: V.map((v) => [v]) } : nested;
    }

    compute() {
      return GateByGateCells.forward(this.kind, this.parameters, this.x.map((v) => [v]));
    }

    usePreset(name) {
      const { x, step, weights } = this.settings.presets[name];
      Object.assign(this, { preset: name, changed: false, x: [...x], step });
      this.weights = structuredClone(weights);
      this.update();
    }

    randomise() {
      for (const weights of Object.values(this.weights)) {
        for (const row of Object.values(weights)) {
          row.forEach((_, k) => (row[k] = tenth(8 * Math.random() - 4)));
        }
      }
      this.changed = true;
      this.update();
    }

    go(step) {
      this.step = clip(step, 0, this.x.length - 1);
      this.show();
    }

    setInput(value) {
      this.x[this.step] = clip(tenth(value), -MAX_INPUT, MAX_INPUT);
      this.changed = true;
      this.text.value = this.x.join(", ");
      this.complain("");
      this.show();
    }

    play(on) {
      clearInterval(this.timer);
      this.timer = 0;
      if (on) {
        if (this.step === this.x.length - 1) this.step = -1;
        const next = () => {
          this.go(this.step + 1);
          if (this.step === this.x.length - 1) this.play(false);
        };
        this.timer = setInterval(next, PLAY);
        next();
      }
      this.playing.textContent = this.timer ? "Pause" : "Play";
      this.say();
    }

    // --- What is made once

    build() {
      const { cells, presets } = this.settings;
      const group = (label, ...children) =>
        make("div", { class: "gbg-row gbg-controls", role: "group", "aria-label": label }, ...children);
      const button = (text, onclick, attributes) => make("button", { type: "button", onclick, ...attributes }, text);

      this.kinds = Object.entries(cells).map(([kind, { title }]) =>
        button(title, () => { this.kind = kind; this.update(); }, { "data-kind": kind }));
      this.presets = Object.entries(presets).map(([name, { title }]) =>
        button(title, () => this.usePreset(name), { "data-preset": name }));
      this.note = make("p", { class: "gbg-note" });
      this.drawing = make("div", { class: "gbg-drawing" });
      this.playing = button("Play", () => this.play(!this.timer), { class: "gbg-play" });
      this.count = make("span", { class: "gbg-number" });
      this.error = make("p", { class: "gbg-error", role: "alert", id: `gbg-cell-${++elements}` });
      this.text = make("input", {
        type: "text", autocomplete: "off", spellcheck: "false",
        "aria-describedby": this.error.id, oninput: () => this.readText(),
      });
      this.inputs = this.slider("Input at this step, up and down change it", "vertical");
      this.inputs.classList.add("gbg-inputs");
      this.states = this.slider("Step", "horizontal");
      this.gates = make("div", { class: "gbg-gates" });
      this.summary = make("summary");
      this.status = make("p", { class: "gbg-unseen", role: "status" });
      this.drag(this.inputs, true);
      this.drag(this.states, false);

      this.replaceChildren(
        group("Cell", ...this.kinds),
        group("Example", ...this.presets,
          button("Random weights", () => this.randomise()),
          button("Reset", () => this.usePreset(this.preset))),
        this.note,
        make("div", { class: "gbg-panes" }, this.drawing,
          make("div", { class: "gbg-chart" }, this.inputs, this.states)),
        group("Time",
          button("Back", () => { this.play(false); this.go(this.step - 1); }),
          this.playing,
          button("Forward", () => { this.play(false); this.go(this.step + 1); }),
          this.count),
        make("div", { class: "gbg-controls" },
          make("label", {}, "Input sequence: type it, or drag the bars of x", this.text), this.error),
        make("details", { class: "gbg-controls", ...(this.clientWidth >= WIDE && { open: "" }) },
          this.summary,
          this.gates),
        this.status,
      );
    }

    // A part of the chart that the arrow keys move along.
    slider(label, orientation) {
      return make("div", {
        role: "slider", tabindex: 0, "aria-label": label, "aria-orientation": orientation,
        onkeydown: (event) => this.key(event, orientation === "vertical"),
      });
    }

    key(event, edits) {
      const to = { ArrowLeft: this.step - 1, ArrowRight: this.step + 1, Home: 0, End: this.x.length - 1 };
      const by = { ArrowUp: 0.1, ArrowDown: -0.1, PageUp: 1, PageDown: -1 }[event.key];
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key in to) this.go(to[event.key]);
      else if (by && edits) this.setInput(this.x[this.step] + by);
      else if (by) this.go(this.step + Math.sign(by));
      else return;
      event.preventDefault();
      this.play(false);
    }

    // A press picks a step; on the inputs it also sets the value, and so does dragging it.
    drag(target, edits) {
      const move = (event, pressed) => {
        const box = target.querySelector(".gbg-bars").getBoundingClientRect();
        if (pressed || !edits) {
          this.go(Math.floor(((event.clientX - box.left) / box.width) * this.x.length));
        }
        const up = 1 - (2 * (event.clientY - box.top)) / box.height;
        if (edits) this.setInput(clip(up, -1, 1) * this.reach);
      };
      target.addEventListener("pointerdown", (event) => {
        if (event.button || !event.target.closest(".gbg-bars")) return;
        this.play(false);
        this.reach = Math.max(3, ...this.x.map(Math.abs)); // stays while the bar is dragged
        target.setPointerCapture(event.pointerId);
        move(event, true);
      });
      target.addEventListener("pointermove", (event) => {
        if (target.hasPointerCapture(event.pointerId)) move(event, false);
      });
      target.addEventListener("lostpointercapture", () => { this.reach = 0; this.show(); });
    }

    readText() {
      try {
        this.x = readSequence(this.text.value);
      } catch (error) {
        this.complain(error.message);
        return;
      }
      this.complain("");
      this.changed = true;
      this.go(this.step);
    }

    complain(message) {
      this.error.textContent = message;
      this.text.setAttribute("aria-invalid", Boolean(message));
    }

    // --- What follows the state

    // After a change of cell, weights or input from outside: everything anew.
    update() {
      this.text.value = this.x.join(", ");
      this.complain("");
      const { drawing, words, peepholes } = this.settings.cells[this.kind];
      const svg = this.drawings[drawing];
      svg.setAttribute("aria-label", words);
      for (const wires of svg.querySelectorAll("[data-peephole]")) {
        wires.setAttribute("display", peepholes.length ? "inline" : "none");
      }
      this.drawing.replaceChildren(svg);
      this.makeSliders();
      this.go(this.step);
    }

    makeSliders() {
      const { gates, peepholes } = this.settings.cells[this.kind];
      const weights = this.weights[this.kind];
      const peeps = peepholes.length ? "v of the cell state, " : "";
      this.summary.textContent = `Weights: w of the input, u of the last hidden state, ${peeps}b the bias`;
      this.gates.replaceChildren(...gates.map((gate, k) => {
        const rows = Object.entries(WEIGHTS).flatMap(([name, [letter, words]]) => {
          const row = name === "V" ? peepholes.indexOf(gate) : k;
          if (row < 0) return [];
          const output = make("span", { class: "gbg-number" });
          const input = make("input", {
            type: "range", min: -MAX_WEIGHT, max: MAX_WEIGHT, step: 0.1, value: weights[name][row],
            "aria-label": `${letter}, ${words}, ${this.settings.names[gate]}`,
            oninput: () => {
              weights[name][row] = Number(input.value);
              this.changed = true;
              tell();
              this.show();
            },
          });
          const tell = () => (output.textContent = minus(weights[name][row].toFixed(1)));
          tell();
          return make("label", {}, make("i", {}, letter), input, output);
        });
        const legend = make("legend", {}, make("i", {}, gate), ` ${this.settings.names[gate]}`);
        return make("fieldset", { style: this.colour(gate) }, legend, ...rows);
      }));
    }

    colour(name) {
      return `--colour: var(--${this.settings.colours[name]})`;
    }

    show() {
      const steps = this.compute();
      const now = steps[this.step];
      for (const slot of this.drawing.querySelectorAll("[data-slot]")) {
        slot.textContent = number(now[slot.dataset.slot][0]);
      }
      for (const wire of this.drawing.querySelectorAll("[data-wire]")) {
        const name = wire.dataset.wire;
        const value = name === "1-z" ? 1 - now.z[0] : Math.abs(now[name][0]);
        wire.style.setProperty("--s", Math.min(value, 1));
      }
      const { rows } = this.settings.cells[this.kind];
      this.inputs.replaceChildren(this.track("x", steps));
      this.states.replaceChildren(...rows.map((name) => this.track(name, steps)));

      const { presets } = this.settings;
      const { title, notes } = presets[this.preset];
      for (const b of this.kinds) b.setAttribute("aria-pressed", b.dataset.kind === this.kind);
      for (const b of this.presets) {
        b.setAttribute("aria-pressed", !this.changed && b.dataset.preset === this.preset);
      }
      this.note.textContent = this.changed
        ? `Your own weights or inputs. Reset goes back to “${title}”.` : notes[this.kind];

      const said = rows.map((name) => `${this.settings.names[name]} ${number(now[name][0])}`);
      const place = `step ${this.step + 1} of ${steps.length}`;
      this.count.textContent = place;
      this.words = `${place}: x = ${number(now.x[0])}, ${said.join(", ")}`;
      const range = (slider, low, value, high, text) => {
        const values = { valuemin: low, valuenow: value, valuemax: high, valuetext: text };
        for (const [name, v] of Object.entries(values)) slider.setAttribute(`aria-${name}`, v);
      };
      range(this.states, 1, this.step + 1, steps.length, place);
      range(this.inputs, -MAX_INPUT, now.x[0], MAX_INPUT, `${number(now.x[0])}, ${place}`);
      this.say();
    }

    // One row of bars, as companion/explorers/cell.py draws it.
    track(name, steps) {
      const signed = this.settings.signed.includes(name);
      const values = steps.map((s) => s[name][0]);
      const reach = (name === "x" && this.reach) || Math.max(name === "x" ? 3 : 1, ...values.map(Math.abs));
      const bars = values.map((value, t) => {
        const tall = (100 * Math.abs(value)) / reach / (signed ? 2 : 1);
        const top = (signed ? 50 : 100) - (value > 0 ? tall : 0);
        return make("span", { class: t === this.step ? "gbg-at" : "", style: `--top:${top}%;--tall:${tall}%` });
      });
      return make("div", { class: "gbg-track", style: this.colour(name) },
        make("span", { class: "gbg-name" }, make("i", {}, name), ` ${this.settings.names[name]}`),
        make("span", { class: `gbg-bars${signed ? " gbg-signed" : ""}` }, ...bars),
        make("span", { class: "gbg-number" }, number(values[this.step])));
    }

    // The present step in words, once nothing has moved for a while: not at every step of a play.
    say() {
      clearTimeout(this.later);
      if (this.timer) return;
      this.later = setTimeout(() => { this.status.textContent = this.words; }, QUIET);
    }
  }

  customElements.define("gbg-cell", CellExplorer);
})();
