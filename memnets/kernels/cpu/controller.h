/* The controller's units of one sample at one step, between two matrix products. */
#ifndef MEMNETS_CONTROLLER_H
#define MEMNETS_CONTROLLER_H

#include "vector.h"

/* An LSTM's units. gates (4 * hidden: i, f, g, o): in, what the input or the bias gives; out, after activation.
 * recurrent: the product to add. cell may be prev_cell. */
static inline void lstm(i64 hidden, real *gates, const real *recurrent, const real *prev_cell, real *cell, real *h) {
    for (i64 j = 0; j < hidden; j += LANES) {
        i64 n = hidden - j;
        real *at = gates + j;
        const real *more = recurrent + j;
        vec i = vector_sigmoid(load_some(at, n) + load_some(more, n));
        vec f = vector_sigmoid(load_some(at + hidden, n) + load_some(more + hidden, n));
        vec g = vector_tanh(load_some(at + 2 * hidden, n) + load_some(more + 2 * hidden, n));
        vec o = vector_sigmoid(load_some(at + 3 * hidden, n) + load_some(more + 3 * hidden, n));
        vec c = f * load_some(prev_cell + j, n) + i * g;
        store_some(at, i, n);
        store_some(at + hidden, f, n);
        store_some(at + 2 * hidden, g, n);
        store_some(at + 3 * hidden, o, n);
        store_some(cell + j, c, n);
        store_some(h + j, o * vector_tanh(c), n);
    }
}

/* d_cell: of c_t, becomes that of c_(t-1). d_gates: of the sums before activation. */
static inline void lstm_backward(i64 hidden, const real *gates, const real *prev_cell, const real *cell,
                                 const real *d_h, real *d_cell, real *d_gates) {
    for (i64 j = 0; j < hidden; j += LANES) {
        i64 n = hidden - j;
        const real *at = gates + j;
        vec i = load_some(at, n), f = load_some(at + hidden, n);
        vec g = load_some(at + 2 * hidden, n), o = load_some(at + 3 * hidden, n);
        vec squashed = vector_tanh(load_some(cell + j, n)), dh = load_some(d_h + j, n);
        vec dc = load_some(d_cell + j, n) + dh * o * (R(1.0) - squashed * squashed);
        store_some(d_gates + j, dc * g * i * (R(1.0) - i), n);
        store_some(d_gates + hidden + j, dc * load_some(prev_cell + j, n) * f * (R(1.0) - f), n);
        store_some(d_gates + 2 * hidden + j, dc * i * (R(1.0) - g * g), n);
        store_some(d_gates + 3 * hidden + j, dh * squashed * o * (R(1.0) - o), n);
        store_some(d_cell + j, dc * f, n);
    }
}

/* A feed-forward layer's units: h = tanh(sum); both are kept in `units`. */
static inline void feedforward(i64 hidden, real *units, const real *product, real *h) {
    for (i64 j = 0; j < hidden; j += LANES) {
        vec x = vector_tanh(load_some(units + j, hidden - j) + load_some(product + j, hidden - j));
        store_some(units + j, x, hidden - j);
        store_some(h + j, x, hidden - j);
    }
}

static inline void feedforward_backward(i64 hidden, const real *units, const real *d_h, real *d_units) {
    for (i64 j = 0; j < hidden; j += LANES) {
        vec x = load_some(units + j, hidden - j);
        store_some(d_units + j, load_some(d_h + j, hidden - j) * (R(1.0) - x * x), hidden - j);
    }
}

#endif
