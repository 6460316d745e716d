// The cells' equations in the browser: companion/numpy line by line, with its equation numbers.
// Numbers are float64 there and here; tests/browser/test_cells_js.py holds the two together.
//
//   GateByGateCells.forward(kind, p, x, state)          -> one object a step
//   GateByGateCells.backward(kind, p, steps, dOutputs)  -> gradients {x, h, c}
//
// `kind` is a name of companion.spec.CELLS; `p` has its parameters as nested arrays, in canonical
// gate order: W [G][H][I], U [G][H][H], b [G][H], V [3][H], b_u [H]. `x` is [T][I]; `state`, {h, c},
// is zero if it is left out. A step has x, h_prev, h, c_prev and c if the cell has one, the gates'
// values by name, and in `a` their sums before squashing. `dOutputs` is [T][H], the gradient of
// every h; c is in the result only if the cell has one.
(() => {
  "use strict";

  // The same function as 1 / (1 + exp(-a)), without overflow.
  const sigmoid = (a) => 0.5 * (1 + Math.tanh(0.5 * a));
  const sigmoidSlope = (s) => s * (1 - s);
  const tanhSlope = (y) => 1 - y * y;
  const relu = (a) => Math.max(a, 0);
  const reluSlope = (y) => (y > 0 ? 1 : 0);

  function vector(size, element) {
    const v = new Array(size);
    for (let k = 0; k < size; k++) v[k] = element(k);
    return v;
  }

  function dot(u, v) {
    let sum = 0;
    for (let k = 0; k < v.length; k++) sum += u[k] * v[k];
    return sum;
  }

  // sum += Mᵀ v
  function addBack(sum, M, v) {
    for (let k = 0; k < v.length; k++) {
      for (let j = 0; j < sum.length; j++) sum[j] += M[k][j] * v[k];
    }
  }

  // A cell is its gates, `step`, which completes the step s, and `back`, which takes the gradients
  // of its h and c and returns those of the gates' sums, `a`, and of the states before, h and c.
  // At first s.a[k] is W_k x_t + b_k; U_k h_{t-1} is added for the gates named in `direct`.

  const rnn = (squash, slope) => ({
    gates: ["h"],
    direct: ["h"],
    step(p, s) {
      s.h = s.a.h.map(squash); // (4.3.36)
    },
    back(p, s, dh) {
      const H = dh.length;
      const a = { h: vector(H, (k) => dh[k] * slope(s.h[k])) }; // (4.3.37)
      return { a, h: vector(H, () => 0) };
    },
  });

  const lstm = (peepholes) => ({
    gates: ["i", "f", "g", "o"],
    direct: ["i", "f", "g", "o"],
    step(p, s) {
      const { a, c_prev } = s;
      const peep = (gate, row, c) => {
        if (peepholes) a[gate] = a[gate].map((sum, k) => sum + p.V[row][k] * c[k]);
      };
      peep("i", 0, c_prev); // (4.3.14)
      peep("f", 1, c_prev); // (4.3.15)
      s.i = a.i.map(sigmoid); // (3.1.1)
      s.f = a.f.map(sigmoid); // (3.1.2)
      s.g = a.g.map(Math.tanh); // (3.1.3)
      s.c = c_prev.map((c, k) => s.f[k] * c + s.i[k] * s.g[k]); // (3.1.4)
      peep("o", 2, s.c); // (4.3.16)
      s.o = a.o.map(sigmoid); // (3.1.5)
      s.h = s.o.map((o, k) => o * Math.tanh(s.c[k])); // (3.1.6)
    },
    back(p, { i, f, g, o, c, c_prev }, dh, dcLater) {
      const H = dh.length;
      const V = peepholes ? p.V : [0, 0, 0].map(() => vector(H, () => 0));
      const tanhC = c.map(Math.tanh);
      const a = {};
      a.o = vector(H, (k) => dh[k] * tanhC[k] * sigmoidSlope(o[k])); // (4.3.2)
      const dc = vector(H, (k) => // (4.3.3), (4.3.17)
        dcLater[k] + dh[k] * o[k] * tanhSlope(tanhC[k]) + V[2][k] * a.o[k]);
      a.i = vector(H, (k) => dc[k] * g[k] * sigmoidSlope(i[k])); // (4.3.4)
      a.f = vector(H, (k) => dc[k] * c_prev[k] * sigmoidSlope(f[k])); // (4.3.5)
      a.g = vector(H, (k) => dc[k] * i[k] * tanhSlope(g[k])); // (4.3.6)
      const before = vector(H, (k) => // (4.3.7), (4.3.18)
        dc[k] * f[k] + V[0][k] * a.i[k] + V[1][k] * a.f[k]);
      return { a, h: vector(H, () => 0), c: before };
    },
  });

  const gru = (resetAfter) => ({
    gates: ["r", "z", "n"],
    direct: ["r", "z"],
    step(p, s) {
      const { a, h_prev } = s;
      s.r = a.r.map(sigmoid); // (4.3.22)
      s.z = a.z.map(sigmoid); // (4.3.23)
      if (resetAfter) {
        s.u = h_prev.map((_, k) => dot(p.U[2][k], h_prev) + p.b_u[k]); // the bracket of (4.3.31)
        a.n = a.n.map((sum, k) => sum + s.r[k] * s.u[k]); // (4.3.31)
      } else {
        const reset = h_prev.map((h, k) => s.r[k] * h);
        a.n = a.n.map((sum, k) => sum + dot(p.U[2][k], reset)); // (4.3.24)
      }
      s.n = a.n.map(Math.tanh);
      s.h = h_prev.map((h, k) => (1 - s.z[k]) * h + s.z[k] * s.n[k]); // (4.3.25)
    },
    back(p, { r, z, n, u, h_prev }, dh) {
      const H = dh.length;
      const a = {};
      a.z = vector(H, (k) => dh[k] * (n[k] - h_prev[k]) * sigmoidSlope(z[k])); // (4.3.26)
      a.n = vector(H, (k) => dh[k] * z[k] * tanhSlope(n[k])); // (4.3.27)
      const h = vector(H, (k) => dh[k] * (1 - z[k]));
      if (resetAfter) {
        a.r = vector(H, (k) => a.n[k] * u[k] * sigmoidSlope(r[k])); // (4.3.32)
        addBack(h, p.U[2], a.n.map((d, k) => r[k] * d)); // (4.3.33)
      } else {
        const dReset = vector(H, () => 0); // the gradient of r ⊙ h_{t-1}
        addBack(dReset, p.U[2], a.n);
        a.r = vector(H, (k) => dReset[k] * h_prev[k] * sigmoidSlope(r[k])); // (4.3.28)
        for (let k = 0; k < H; k++) h[k] += r[k] * dReset[k]; // (4.3.29)
      }
      return { a, h };
    },
  });

  const CELLS = {
    RNN: rnn(Math.tanh, tanhSlope),
    "RNN (ReLU)": rnn(relu, reluSlope),
    LSTM: lstm(false),
    PeepholeLSTM: lstm(true),
    GRU: gru(false),
    "GRU (reset after)": gru(true),
  };

  function cellOf(kind) {
    if (Object.hasOwn(CELLS, kind)) return CELLS[kind];
    throw new RangeError(`kind is ${kind}, expected one of ${Object.keys(CELLS).join(", ")}`);
  }

  function forward(kind, p, x, state = {}) {
    const cell = cellOf(kind);
    const H = p.b[0].length;
    const hasC = cell.gates.includes("f");
    let h = state.h ?? vector(H, () => 0);
    let c = state.c ?? vector(H, () => 0);
    return x.map((x_t) => {
      const s = { x: x_t, h_prev: h, a: {} };
      if (hasC) s.c_prev = c;
      cell.gates.forEach((gate, row) => {
        const recurrent = cell.direct.includes(gate);
        s.a[gate] = vector(H, (k) =>
          dot(p.W[row][k], x_t) + p.b[row][k] + (recurrent ? dot(p.U[row][k], h) : 0));
      });
      cell.step(p, s);
      ({ h, c } = s);
      return s;
    });
  }

  function backward(kind, p, steps, dOutputs) {
    const cell = cellOf(kind);
    const H = p.b[0].length;
    const x = new Array(steps.length);
    let before = { h: vector(H, () => 0), c: vector(H, () => 0) };
    for (let t = steps.length - 1; t >= 0; t--) {
      const later = before.h;
      const dh = vector(H, (k) => dOutputs[t][k] + later[k]); // (4.3.1)
      before = cell.back(p, steps[t], dh, before.c);
      x[t] = vector(steps[t].x.length, () => 0);
      cell.gates.forEach((gate, row) => {
        addBack(x[t], p.W[row], before.a[gate]); // (4.3.9)
        if (cell.direct.includes(gate)) addBack(before.h, p.U[row], before.a[gate]); // (4.3.8)
      });
    }
    const gradients = { x, h: before.h };
    if (cell.gates.includes("f")) gradients.c = before.c;
    return gradients;
  }

  globalThis.GateByGateCells = { forward, backward };
})();
