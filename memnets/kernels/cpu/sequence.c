/* A Neural Turing Machine over a whole sequence, forward and backward (Graves et al. 2014).
 *
 * Samples are taken in blocks of up to ROWS. A block goes through all steps before the next one starts, so that its
 * memory and the weights stay in cache, and blocks are shared out among threads. Arrays over time have the step first,
 * then the sample. Sequences come longest first: those that still run are always the first of their block. */
#include "controller.h"
#include "memory.h"
#include "product.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

#define EXPORT __attribute__((visibility("default")))

/* A state as users hold it: hidden and cell (B, L, C), memory (B, N, M), weights (B, heads, N), reads (B, R, M). */
typedef struct {
    real *hidden, *cell, *memory, *read_weights, *write_weights, *reads;
} State;

/* Mirrored in library.py. Pointers not needed for a call are null. */
typedef struct {
    i64 batch, steps, inputs, hidden, layers, lstm; /* lstm: 1, or 0 for feed-forward layers */
    i64 slots, width, readers, writers, shifts;
    i64 every;   /* the memory is kept before each such step */
    i64 keep;    /* whether a backward pass follows */
    i64 threads;
    const i64 *lengths;                                  /* (B), longest first; null: all have all steps */
    const real **weight_ih, **weight_hh, **bias;         /* a pointer a layer; bias is for layers from the second on */
    const real *interface_weight, *interface_bias;       /* (F, C), (F) */
    real *packed, *scratch;                              /* as large as memnets_sizes says */
    State first, last;                                   /* states before and after */
    real *gates;      /* (L, T, B, G): in, of layer 0, the inputs' share; out, units after activation */
    real *cells;      /* (L, T + 1, B, C) */
    real *lower;      /* (L - 1, T + 1, B, C): hidden states of the layers below the last */
    real *outputs;    /* (T + 1, B, C + R M): [h, reads], the first step those of the starting state */
    real *told;       /* (T, B, F): the interface after activation; strength and gamma - 1 as softplus gave them */
    real *weights;    /* (T + 1, B, H, across) */
    real *cosines;    /* (T, B, H + 1, across): of each head's key with each slot, then 1 / |M(n)| */
    real *memories;   /* (ceil(T / every), B, M, across) */
    const real *d_outputs;    /* (T, B, C + R M) */
    real *d_gates, *d_interface; /* as gates and told: gradients before activation */
} Args;

typedef struct {
    i64 B, T, C, L, G, RM, O, F, H, N, M, across, vectors, gates, positives; /* sections of the interface */
    i64 step; /* how far apart steps lie in arrays that only a backward pass needs in full: 1 or 0 */
    Slots slots;
    Shape shape;
} Sizes;

static Sizes sizes_of(const Args *a) {
    Sizes s;
    s.B = a->batch, s.T = a->steps, s.C = a->hidden, s.L = a->layers, s.N = a->slots, s.M = a->width;
    s.H = a->readers + a->writers, s.RM = a->readers * a->width, s.O = s.C + s.RM;
    s.G = a->lstm ? 4 * s.C : s.C;
    s.vectors = (s.H + a->writers) * s.M, s.gates = s.H + a->writers * s.M, s.positives = 2 * s.H;
    s.F = s.vectors + s.gates + s.positives + s.H * a->shifts;
    s.across = padded(s.N), s.step = a->keep != 0;
    s.slots = (Slots){s.N, s.across, a->shifts, a->shifts / 2, padded(a->shifts / 2)};
    s.shape = (Shape){a->readers, a->writers, s.M, s.across};
    return s;
}

/* ---- Matrices ---- */

static i64 inner_of(const Args *a, const Sizes *s, i64 layer) {
    return (a->lstm ? s->C : 0) + (layer ? s->C : s->RM);
}

/* The matrix of a layer, or of the interface for layer = L; backward: the transposed one. */
static Packed matrix(const Args *a, const Sizes *s, i64 layer, int backward) {
    real *data = a->packed;
    for (i64 l = 0; l <= layer; l++) {
        i64 inner = l < s->L ? inner_of(a, s, l) : s->C, outer = l < s->L ? s->G : s->F;
        Packed p = backward ? (Packed){outer, inner, data} : (Packed){inner, outer, data};
        if (l == layer) return p;
        data += packed_size(p.inner, p.outer);
    }
    return (Packed){0, 0, 0};
}

static void pack_part(Packed *p, i64 first, i64 inner, i64 outer, const real *weight, i64 stride, int backward) {
    if (backward) pack(p, 0, outer, first, inner, weight, stride, 1);
    else pack(p, first, inner, 0, outer, weight, 1, stride);
}

static void pack_all(const Args *a, const Sizes *s, int backward) {
    for (i64 l = 0; l < s->L; l++) {
        Packed p = matrix(a, s, l, backward);
        clear(&p);
        i64 skip = l ? 0 : a->inputs, below = l ? s->C : s->RM, own = a->lstm ? s->C : 0;
        if (own) pack_part(&p, 0, s->C, s->G, a->weight_hh[l], s->C, backward);
        pack_part(&p, own, below, s->G, a->weight_ih[l] + skip, skip + below, backward);
    }
    Packed p = matrix(a, s, s->L, backward);
    clear(&p);
    pack_part(&p, 0, s->C, s->F, a->interface_weight, s->C, backward);
}

/* ---- Room for a block ---- */

typedef struct {
    real *product, *joined, *below;                  /* (ROWS, .); below: h of a lower layer, or its gradient */
    real *memory, *square;                           /* (ROWS, M, across), (ROWS, across) */
    real *content, *ring, *d_ring; /* one sample */
    vec *rows;
    /* backward */
    real *segment, *d_memory, *d_weights, *d_hidden, *d_cell, *d_reads, *pull, *push, *d_told;
} Room;

static real *take(real **at, i64 n) {
    real *here = *at;
    *at += (n + 63) / 64 * 64;
    return here;
}

static i64 lay_out(const Args *a, const Sizes *s, int backward, real *base, Room *r) {
    real *at = base;
    i64 rows = ROWS, memory = s->M * s->across;
    i64 most = padded(s->G) > padded(s->F) ? padded(s->G) : padded(s->F);
    i64 wide = padded(s->C + (s->C > s->RM ? s->C : s->RM));
    r->product = take(&at, rows * (most > wide ? most : wide));
    r->joined = take(&at, rows * (s->C + (s->C > s->RM ? s->C : s->RM)));
    r->below = take(&at, rows * s->C);
    r->square = take(&at, rows * s->across);
    r->content = take(&at, s->across);
    r->ring = take(&at, s->across + 2 * s->slots.margin + LANES) + s->slots.margin;
    r->rows = (vec *)take(&at, LANES * (padded(s->H * s->M) + 2 * padded(s->shape.writers * s->M)));
    if (!backward) {
        r->memory = take(&at, rows * memory);
    } else {
        r->d_ring = take(&at, s->across + 2 * s->slots.margin + LANES) + s->slots.margin;
        r->segment = take(&at, rows * a->every * memory);
        r->d_memory = take(&at, rows * memory);
        r->d_weights = take(&at, rows * s->H * s->across);
        r->d_hidden = take(&at, rows * s->L * s->C);
        r->d_cell = take(&at, rows * s->L * s->C);
        r->d_reads = take(&at, rows * s->RM);
        r->pull = take(&at, s->H * s->across);
        r->push = take(&at, s->across);
        r->d_told = take(&at, s->F + LANES);
    }
    return at - base;
}

/* ---- The interface ---- */

/* Pointers into an interface vector, or into its gradient. */
typedef struct {
    real *key, *add, *gate, *erase, *strength, *sharpening, *shift;
} Parts;

static inline Parts parts_of(const Sizes *s, real *told) {
    Parts p;
    p.key = told, p.add = told + s->H * s->M;
    p.gate = told + s->vectors, p.erase = p.gate + s->H;
    p.strength = p.gate + s->gates, p.sharpening = p.strength + s->H;
    p.shift = p.strength + s->positives;
    return p;
}

static inline real softplus(real x) { return x > R(20.0) ? x : real_log1p(real_exp(x)); }

static void activate(const Sizes *s, const real *sums, const real *bias, real *told) {
    i64 n = s->vectors;
    for (i64 j = 0; j < n; j += LANES)
        store_some(told + j, vector_tanh(load_some(sums + j, n - j) + load_some(bias + j, n - j)), n - j);
    sums += n, bias += n, told += n, n = s->gates;
    for (i64 j = 0; j < n; j += LANES)
        store_some(told + j, vector_sigmoid(load_some(sums + j, n - j) + load_some(bias + j, n - j)), n - j);
    sums += n, bias += n, told += n, n = s->positives;
    for (i64 j = 0; j < n; j++) told[j] = softplus(sums[j] + bias[j]);
    sums += n, bias += n, told += n, n = s->slots.shifts;
    for (i64 h = 0; h < s->H; h++, sums += n, bias += n, told += n) {
        real most = sums[0] + bias[0], total = 0;
        for (i64 k = 0; k < n; k++) {
            told[k] = sums[k] + bias[k];
            most = told[k] > most ? told[k] : most;
        }
        for (i64 k = 0; k < n; k++) total += told[k] = real_exp(told[k] - most);
        for (i64 k = 0; k < n; k++) told[k] /= total;
    }
}

/* From gradients of the values after activation (d_told) to those before it (out). */
static void activate_backward(const Sizes *s, const real *told, const real *d_told, real *out) {
    i64 n = s->vectors;
    for (i64 j = 0; j < n; j += LANES) {
        vec y = load_some(told + j, n - j);
        store_some(out + j, load_some(d_told + j, n - j) * (R(1.0) - y * y), n - j);
    }
    told += n, d_told += n, out += n, n = s->gates;
    for (i64 j = 0; j < n; j += LANES) {
        vec y = load_some(told + j, n - j);
        store_some(out + j, load_some(d_told + j, n - j) * y * (R(1.0) - y), n - j);
    }
    told += n, d_told += n, out += n, n = s->positives;
    for (i64 j = 0; j < n; j++) out[j] = d_told[j] * -real_expm1(-told[j]); /* softplus' = 1 - e^(-softplus) */
    told += n, d_told += n, out += n, n = s->slots.shifts;
    for (i64 h = 0; h < s->H; h++, told += n, d_told += n, out += n) {
        real mean = 0;
        for (i64 k = 0; k < n; k++) mean += told[k] * d_told[k];
        for (i64 k = 0; k < n; k++) out[k] = told[k] * (d_told[k] - mean);
    }
}

static inline Told told_of(const Sizes *s, const Parts *p, i64 head) {
    return (Told){p->strength[head], p->gate[head], R(1.0) + p->sharpening[head], p->shift + head * s->slots.shifts};
}

/* Equation 6 for all heads, and 1 / |M(n)| after them, from the memory and its squared norms: (H + 1, across). */
static void similarities(const Sizes *s, const real *memory, const real *square, const real *key, real *cosine) {
    real *inverse = cosine + s->H * s->across;
    dots(s->H, s->M, s->across, memory, key, cosine, 0);
    inverse_norms(s->across, square, inverse);
    for (i64 h = 0; h < s->H; h++) {
        real inverse_key = inverse_norm(s->M, key + h * s->M);
        for (i64 n = 0; n < s->across; n += LANES) {
            real *at = cosine + h * s->across + n;
            store(at, load(at) * load(inverse + n) * inverse_key);
        }
    }
}

/* ---- Forward ---- */

static void start(const Args *a, const Sizes *s, const Room *r, i64 b, i64 i) {
    i64 C = s->C, L = s->L, size = s->H * s->across;
    const State *first = &a->first;
    for (i64 l = 0; a->lstm && l < L; l++) {
        real *h = l == L - 1 ? a->outputs + b * s->O : a->lower + (l * (s->T * s->step + 1) * s->B + b) * C;
        memcpy(h, first->hidden + (b * L + l) * C, sizeof(real) * C);
        memcpy(a->cells + (l * (s->T * s->step + 1) * s->B + b) * C, first->cell + (b * L + l) * C, sizeof(real) * C);
    }
    if (!a->lstm) memset(a->outputs + b * s->O, 0, sizeof(real) * C);
    memcpy(a->outputs + b * s->O + C, first->reads + b * s->RM, sizeof(real) * s->RM);
    for (i64 h = 0; h < s->H; h++) {
        real *to = a->weights + b * size + h * s->across;
        const real *from = h < s->shape.readers ? first->read_weights + (b * s->shape.readers + h) * s->N
                                                : first->write_weights +
                                                      (b * s->shape.writers + h - s->shape.readers) * s->N;
        memcpy(to, from, sizeof(real) * s->N);
        memset(to + s->N, 0, sizeof(real) * (s->across - s->N));
    }
    real *memory = r->memory + i * s->M * s->across;
    to_width_major(s->N, s->M, s->across, first->memory + b * s->N * s->M, memory);
    dots(0, s->M, s->across, memory, 0, 0, r->square + i * s->across);
}

/* The state of sample b, whose last step was t - 1. */
static void finish(const Args *a, const Sizes *s, const Room *r, i64 b, i64 i, i64 t) {
    i64 C = s->C, L = s->L, row = t * s->step * s->B + b, span = (s->T * s->step + 1) * s->B;
    const State *last = &a->last;
    for (i64 l = 0; a->lstm && l < L; l++) {
        const real *h = l == L - 1 ? a->outputs + (t * s->B + b) * s->O : a->lower + (l * span + row) * C;
        memcpy(last->hidden + (b * L + l) * C, h, sizeof(real) * C);
        memcpy(last->cell + (b * L + l) * C, a->cells + (l * span + row) * C, sizeof(real) * C);
    }
    memcpy(last->reads + b * s->RM, a->outputs + (t * s->B + b) * s->O + C, sizeof(real) * s->RM);
    const real *weights = a->weights + row * s->H * s->across;
    for (i64 h = 0; h < s->H; h++) {
        real *to = h < s->shape.readers ? last->read_weights + (b * s->shape.readers + h) * s->N
                                        : last->write_weights + (b * s->shape.writers + h - s->shape.readers) * s->N;
        memcpy(to, weights + h * s->across, sizeof(real) * s->N);
    }
    to_slot_major(s->N, s->M, s->across, r->memory + i * s->M * s->across, last->memory + b * s->N * s->M);
}

/* The controller on the first `rows` samples from b on: outputs[t + 1] gets its h. */
static void control(const Args *a, const Sizes *s, const Room *r, i64 t, i64 b, i64 rows) {
    i64 C = s->C, span = (s->T * s->step + 1) * s->B;
    i64 now = t * s->step * s->B + b, next = (t + 1) * s->step * s->B + b;
    for (i64 l = 0; l < s->L; l++) {
        Packed p = matrix(a, s, l, 0);
        i64 stride = padded(s->G);
        int top = l == s->L - 1;
        i64 at = l ? (s->step * l * s->T + t * s->step) * s->B + (s->step ? 0 : s->T * s->B) + b : t * s->B + b;
        real *gates = a->gates + at * s->G;
        const real *in = a->outputs + (t * s->B + b) * s->O + (a->lstm ? 0 : C);
        i64 in_stride = s->O;
        if (l || (a->lstm && !top)) { /* what is multiplied lies in two places: the layer's own h, and its input */
            i64 own = a->lstm ? C : 0, size = l ? C : s->RM;
            in = r->joined, in_stride = own + size;
            for (i64 i = 0; i < rows; i++) {
                real *to = r->joined + i * in_stride;
                const real *output = a->outputs + (t * s->B + b + i) * s->O, *input = output + C;
                if (own) memcpy(to, top ? output : a->lower + (l * span + now + i) * C, sizeof(real) * C);
                if (l) input = a->lstm ? a->lower + ((l - 1) * span + next + i) * C : r->below + i * C;
                memcpy(to + own, input, sizeof(real) * size);
                if (l) memcpy(gates + i * s->G, a->bias[l], sizeof(real) * s->G);
            }
        }
        product(rows, in, in_stride, &p, r->product, stride);
        for (i64 i = 0; i < rows; i++) {
            real *h = top ? a->outputs + ((t + 1) * s->B + b + i) * s->O
                          : (a->lstm ? a->lower + (l * span + next + i) * C : r->below + i * C);
            if (a->lstm)
                lstm(C, gates + i * s->G, r->product + i * stride, a->cells + (l * span + now + i) * C,
                     a->cells + (l * span + next + i) * C, h);
            else feedforward(C, gates + i * s->G, r->product + i * stride, h);
        }
    }
}

/* One access to the memory of sample b: address, write, read. */
static void access(const Args *a, const Sizes *s, const Room *r, i64 t, i64 b, i64 i, const real *sums) {
    i64 now = t * s->step * s->B + b, next = (t + 1) * s->step * s->B + b;
    real *memory = r->memory + i * s->M * s->across, *square = r->square + i * s->across;
    real *told = a->told + now * s->F, *weights = a->weights + next * s->H * s->across;
    const real *prev = a->weights + now * s->H * s->across;
    activate(s, sums, a->interface_bias, told);
    Parts p = parts_of(s, told);
    real *cosine = a->cosines + now * (s->H + 1) * s->across;
    similarities(s, memory, square, p.key, cosine);
    for (i64 h = 0; h < s->H; h++) {
        Told head = told_of(s, &p, h);
        i64 at = h * s->across;
        address(&s->slots, &head, cosine + at, prev + at, weights + at, r->content, r->ring);
    }
    write_and_read(&s->shape, memory, weights, weights + s->shape.readers * s->across, p.erase, p.add, r->rows, square,
                   a->outputs + ((t + 1) * s->B + b) * s->O + s->C);
}

static i64 length_of(const Args *a, i64 b) { return a->lengths ? a->lengths[b] : a->steps; }

/* How many of the block's samples take step t: the first ones, since the longest come first. */
static i64 running(const Args *a, i64 b, i64 rows, i64 t) {
    i64 n = rows;
    while (n && length_of(a, b + n - 1) <= t) n--;
    return n;
}

static void forward_block(const Args *a, const Sizes *s, const Room *r, i64 b, i64 rows) {
    i64 memory = s->M * s->across, stride = padded(s->F);
    Packed interface = matrix(a, s, s->L, 0);
    for (i64 i = 0; i < rows; i++) {
        start(a, s, r, b + i, i);
        if (!length_of(a, b + i)) finish(a, s, r, b + i, i, 0);
    }
    for (i64 t = 0; t < s->T; t++) {
        i64 active = running(a, b, rows, t);
        real *out = a->outputs + ((t + 1) * s->B + b) * s->O;
        memset(out + active * s->O, 0, sizeof(real) * (rows - active) * s->O);
        for (i64 l = 0; a->keep && l < s->L - 1; l++) { /* all that products over steps will read */
            real *h = a->lstm ? a->lower + ((l * (s->T + 1) + t + 1) * s->B + b + active) * s->C
                              : a->gates + ((l * s->T + t) * s->B + b + active) * s->G;
            memset(h, 0, sizeof(real) * (rows - active) * s->C);
        }
        if (!active) continue;
        if (a->memories && t % a->every == 0)
            memcpy(a->memories + (t / a->every * s->B + b) * memory, r->memory, sizeof(real) * active * memory);
        control(a, s, r, t, b, active);
        product(active, out, s->O, &interface, r->product, stride);
        for (i64 i = 0; i < active; i++) {
            access(a, s, r, t, b + i, i, r->product + i * stride);
            if (length_of(a, b + i) == t + 1) finish(a, s, r, b + i, i, t + 1);
        }
    }
}

/* ---- Backward ---- */

/* Copies a gradient that may be absent. */
static void copy_grad(real *to, const real *from, i64 n) {
    if (from) memcpy(to, from, sizeof(real) * n);
    else memset(to, 0, sizeof(real) * n);
}

static void start_backward(const Args *a, const Sizes *s, const Room *r, i64 b, i64 i) {
    const State *last = &a->last;
    i64 layers = s->L * s->C, N = s->N, readers = s->shape.readers;
    if (a->lstm) {
        copy_grad(r->d_hidden + i * layers, last->hidden ? last->hidden + b * layers : 0, layers);
        copy_grad(r->d_cell + i * layers, last->cell ? last->cell + b * layers : 0, layers);
    } else memset(r->d_hidden + i * layers, 0, sizeof(real) * layers);
    copy_grad(r->d_reads + i * s->RM, last->reads ? last->reads + b * s->RM : 0, s->RM);
    for (i64 h = 0; h < s->H; h++) {
        const real *from = h < readers ? last->read_weights : last->write_weights;
        if (from) from += h < readers ? (b * readers + h) * N : (b * s->shape.writers + h - readers) * N;
        real *to = r->d_weights + (i * s->H + h) * s->across;
        copy_grad(to, from, N);
        memset(to + N, 0, sizeof(real) * (s->across - N));
    }
    real *memory = r->d_memory + i * s->M * s->across;
    if (last->memory) to_width_major(N, s->M, s->across, last->memory + b * N * s->M, memory);
    else memset(memory, 0, sizeof(real) * s->M * s->across);
}

static void finish_backward(const Args *a, const Sizes *s, const Room *r, i64 b, i64 i) {
    const State *first = &a->first;
    i64 layers = s->L * s->C, N = s->N, readers = s->shape.readers;
    if (first->hidden) memcpy(first->hidden + b * layers, r->d_hidden + i * layers, sizeof(real) * layers);
    if (first->cell) memcpy(first->cell + b * layers, r->d_cell + i * layers, sizeof(real) * layers);
    if (first->reads) memcpy(first->reads + b * s->RM, r->d_reads + i * s->RM, sizeof(real) * s->RM);
    for (i64 h = 0; h < s->H; h++) {
        real *to = h < readers ? first->read_weights : first->write_weights;
        if (to) to += h < readers ? (b * readers + h) * N : (b * s->shape.writers + h - readers) * N;
        if (to) memcpy(to, r->d_weights + (i * s->H + h) * s->across, sizeof(real) * N);
    }
    if (first->memory)
        to_slot_major(N, s->M, s->across, r->d_memory + i * s->M * s->across, first->memory + b * N * s->M);
}

/* Memory of sample b before step t, of the segment that starts at a multiple of `every`. */
static const real *memory_before(const Args *a, const Sizes *s, const Room *r, i64 t, i64 b, i64 i) {
    i64 memory = s->M * s->across, offset = t % a->every;
    if (!offset) return a->memories + (t / a->every * s->B + b) * memory;
    return r->segment + (i * a->every + offset) * memory;
}

static void repeat_segment(const Args *a, const Sizes *s, const Room *r, i64 from, i64 to, i64 b, i64 i) {
    if (length_of(a, b) < to) to = length_of(a, b);
    for (i64 t = from; t + 1 < to; t++) {
        i64 row = t * s->B + b;
        Parts p = parts_of(s, a->told + row * s->F);
        const real *weights = a->weights + (row + s->B) * s->H * s->across;
        write_again(&s->shape, memory_before(a, s, r, t, b, i), r->segment + (i * a->every + t + 1 - from) * s->M * s->across,
                    weights + s->shape.readers * s->across, p.erase, p.add);
    }
}

static void access_backward(const Args *a, const Sizes *s, const Room *r, i64 t, i64 b, i64 i) {
    i64 row = t * s->B + b, across = s->across, size = s->H * across, M = s->M;
    const real *memory = memory_before(a, s, r, t, b, i);
    const real *prev = a->weights + row * size, *weights = prev + s->B * size;
    const real *write_weights = weights + s->shape.readers * across;
    real *d_memory = r->d_memory + i * M * across, *d_weights = r->d_weights + i * size;
    real *d_reads = r->d_reads + i * s->RM;
    Parts p = parts_of(s, a->told + row * s->F), d = parts_of(s, r->d_told);
    const real *d_out = a->d_outputs + row * s->O + s->C;
    for (i64 j = 0; j < s->RM; j++) d_reads[j] += d_out[j];
    read_and_write_backward(&s->shape, memory, d_memory, weights, write_weights, p.erase, p.add, d_reads, d_weights,
                            d_weights + s->shape.readers * across, r->rows, d.erase, d.add);
    const real *cosine = a->cosines + row * (s->H + 1) * across, *inverse = cosine + size;
    for (i64 n = 0; n < across; n += LANES) store(r->push + n, (vec){0});
    real along[s->H], inverse_key[s->H];
    for (i64 h = 0; h < s->H; h++) {
        Told head = told_of(s, &p, h);
        ToldGrad grad = {.shift = d.shift + h * s->slots.shifts};
        i64 at = h * across;
        real *pull = r->pull + at;
        address_backward(&s->slots, &head, cosine + at, prev + at, weights + at, d_weights + at, pull, &grad,
                         r->content, r->ring, r->d_ring);
        d.strength[h] = grad.strength, d.gate[h] = grad.gate, d.sharpening[h] = grad.sharpening;
        inverse_key[h] = inverse_norm(M, p.key + h * M);
        vec total = {0};
        for (i64 n = 0; n < across; n += LANES) { /* (6) */
            vec x = load(pull + n), y = x * load(cosine + at + n), by = load(inverse + n);
            total += y;
            store(r->push + n, load(r->push + n) + y * by * by);
            store(pull + n, x * by * inverse_key[h]);
        }
        along[h] = sum(total);
    }
    similarity_backward(&s->shape, memory, d_memory, p.key, r->pull, r->push, r->rows, d.key);
    for (i64 h = 0; h < s->H; h++)
        for (i64 m = 0; m < M; m++) d.key[h * M + m] -= along[h] * inverse_key[h] * inverse_key[h] * p.key[h * M + m];
    activate_backward(s, a->told + row * s->F, r->d_told, a->d_interface + row * s->F);
}

/* below holds the gradient of the last layer's h. */
static void control_backward(const Args *a, const Sizes *s, const Room *r, i64 t, i64 b, i64 rows) {
    i64 C = s->C, row = t * s->B + b, span = (s->T + 1) * s->B, layers = s->L * C;
    for (i64 l = s->L - 1; l >= 0; l--) {
        Packed p = matrix(a, s, l, 1);
        i64 stride = padded(p.outer), own = a->lstm ? C : 0;
        real *d_gates = a->d_gates + (l * s->T * s->B + row) * s->G;
        const real *gates = a->gates + (l * s->T * s->B + row) * s->G;
        for (i64 i = 0; i < rows; i++) {
            const real *cells = a->cells + (l * span + row + i) * C;
            real *d_cell = r->d_cell + i * layers + l * C;
            if (a->lstm)
                lstm_backward(C, gates + i * s->G, cells, cells + s->B * C, r->below + i * C, d_cell, d_gates + i * s->G);
            else feedforward_backward(C, gates + i * s->G, r->below + i * C, d_gates + i * s->G);
        }
        product(rows, d_gates, s->G, &p, r->product, stride);
        for (i64 i = 0; i < rows; i++) {
            const real *from = r->product + i * stride;
            real *d_hidden = r->d_hidden + i * layers + l * C;
            if (own) memcpy(d_hidden, from, sizeof(real) * C);
            from += own;
            if (l) /* of the layer below: what its own next step gave, and this */
                for (i64 j = 0; j < C; j++) r->below[i * C + j] = from[j] + (own ? d_hidden[j - C] : 0);
            else memcpy(r->d_reads + i * s->RM, from, sizeof(real) * s->RM);
        }
    }
}

static void backward_block(const Args *a, const Sizes *s, const Room *r, i64 b, i64 rows) {
    i64 longest = length_of(a, b), stride = padded(s->C), layers = s->L * s->C;
    Packed interface = matrix(a, s, s->L, 1);
    for (i64 i = 0; i < rows; i++) start_backward(a, s, r, b + i, i);
    for (i64 t = s->T - 1; t >= 0; t--) {
        i64 active = running(a, b, rows, t), row = t * s->B + b;
        i64 over = rows - active;
        for (i64 l = 0; l < s->L; l++)
            memset(a->d_gates + (l * s->T * s->B + row + active) * s->G, 0, sizeof(real) * over * s->G);
        memset(a->d_interface + (row + active) * s->F, 0, sizeof(real) * over * s->F);
        if (!active) continue;
        if (t == longest - 1 || t % a->every == a->every - 1)
            for (i64 i = 0; i < active; i++)
                repeat_segment(a, s, r, t / a->every * a->every, t + 1, b + i, i);
        else
            for (i64 i = 0; i < active; i++) /* one that ends within the segment */
                if (length_of(a, b + i) == t + 1) repeat_segment(a, s, r, t / a->every * a->every, t + 1, b + i, i);
        for (i64 i = 0; i < active; i++) access_backward(a, s, r, t, b + i, i);
        product(active, a->d_interface + row * s->F, s->F, &interface, r->product, stride);
        for (i64 i = 0; i < active; i++) {
            const real *d_out = a->d_outputs + (row + i) * s->O, *d_h = r->d_hidden + i * layers + layers - s->C;
            for (i64 j = 0; j < s->C; j++)
                r->below[i * s->C + j] = d_out[j] + r->product[i * stride + j] + (a->lstm ? d_h[j] : 0);
        }
        control_backward(a, s, r, t, b, active);
    }
    for (i64 i = 0; i < rows; i++) finish_backward(a, s, r, b + i, i);
}

/* ---- Entry points ---- */

static void over_blocks(const Args *a, int backward) {
    Sizes s = sizes_of(a);
    Room unused = {0};
    i64 room = lay_out(a, &s, backward, a->scratch, &unused), threads = a->threads < s.B ? a->threads : s.B;
    i64 blocks = (s.B + ROWS - 1) / ROWS;
    blocks = (blocks + threads - 1) / threads * threads;
    if (blocks > s.B) blocks = s.B;
    pack_all(a, &s, backward);
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)threads) if (threads > 1)
#endif
    for (i64 n = 0; n < blocks; n++) {
#ifdef _OPENMP
        i64 thread = omp_get_thread_num();
#else
        i64 thread = 0;
#endif
#if defined(__SSE2__)
        unsigned int mode = _mm_getcsr();
        _mm_setcsr(mode | 0x8040); /* numbers below the normal range count as zero: they would slow all else down */
#endif
        Room r = {0};
        lay_out(a, &s, backward, a->scratch + thread * room, &r);
        i64 first = s.B * n / blocks, rows = s.B * (n + 1) / blocks - first;
        if (backward) backward_block(a, &s, &r, first, rows);
        else forward_block(a, &s, &r, first, rows);
#if defined(__SSE2__)
        _mm_setcsr(mode);
#endif
    }
}

EXPORT i64 memnets_lanes(void) { return LANES; }

EXPORT i64 memnets_args_size(void) { return sizeof(Args); }

/* How many numbers `packed`, and `scratch` for each thread, must hold. */
EXPORT void memnets_sizes(const Args *a, i64 backward, i64 *out) {
    Sizes s = sizes_of(a);
    Room unused = {0};
    out[0] = packed_size(backward ? s.F : s.C, backward ? s.C : s.F);
    for (i64 l = 0; l < s.L; l++)
        out[0] += backward ? packed_size(s.G, inner_of(a, &s, l)) : packed_size(inner_of(a, &s, l), s.G);
    out[1] = lay_out(a, &s, (int)backward, (real *)64, &unused);
}

EXPORT void memnets_forward(const Args *a) { over_blocks(a, 0); }

EXPORT void memnets_backward(const Args *a) { over_blocks(a, 1); }
