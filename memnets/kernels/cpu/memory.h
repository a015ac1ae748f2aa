/* The memory of one sample: reading, writing, similarity, and the way back. Graves et al. 2014, equations 2 to 4, 6.
 *
 * The memory lies width-major, (width, across): the slots of one feature are contiguous. A pass takes a tile of a few
 * vectors of slots through all features, so that sums over features stay in registers; sums over slots are kept as
 * one vector a feature (`rows`) and folded at the end. */
#ifndef MEMNETS_MEMORY_H
#define MEMNETS_MEMORY_H

#include "addressing.h"

#define TILE 4

typedef struct {
    i64 readers, writers, width, across;
} Shape;

#define FOR_TILES(body)                                                    \
    do {                                                                   \
        i64 n = 0;                                                         \
        for (; n + TILE * LANES <= across; n += TILE * LANES) body(TILE);  \
        for (; n < across; n += LANES) body(1);                            \
    } while (0)

/* out[n] = sum_m key[m] memory[m][n], for up to two keys at once; square[n] = |M(n)|^2, unless it is null. */
INLINE void dot_tile(const int wide, const int keys, const int norms, i64 width, i64 across, const real *memory,
                     const real *key, real *out, real *square) {
    vec total[2][TILE], norm[TILE];
    for (int v = 0; v < wide; v++) total[0][v] = total[1][v] = norm[v] = (vec){0};
    for (i64 m = 0; m < width; m++)
        for (int v = 0; v < wide; v++) {
            vec x = load(memory + m * across + v * LANES);
            for (int h = 0; h < keys; h++) total[h][v] += key[h * width + m] * x;
            if (norms) norm[v] += x * x;
        }
    for (int v = 0; v < wide; v++) {
        for (int h = 0; h < keys; h++) store(out + h * across + v * LANES, total[h][v]);
        if (norms) store(square + v * LANES, norm[v]);
    }
}

/* The products (heads, across) of all slots with the vectors key (heads, width), and the squared norms on request. */
static void dots(i64 heads, i64 width, i64 across, const real *memory, const real *key, real *out, real *square) {
#define BODY(wide) dot_tile(wide, KEYS, NORMS, width, across, memory + n, key, out + n, square + n)
#define NORMS 1
    if (square) {
        if (heads >= 2) {
#define KEYS 2
            FOR_TILES(BODY);
            heads -= 2, key += 2 * width, out += 2 * across;
        } else {
#undef KEYS
#define KEYS heads != 0
            FOR_TILES(BODY);
            heads = 0;
        }
    }
#undef KEYS
#undef NORMS
#define NORMS 0
#define KEYS 2
    for (; heads >= 2; heads -= 2, key += 2 * width, out += 2 * across) FOR_TILES(BODY);
#undef KEYS
#define KEYS 1
    if (heads) FOR_TILES(BODY);
#undef KEYS
#undef NORMS
#undef BODY
}

/* 1 / sqrt(|M(n)|^2 + epsilon) of each slot, from the squared norms. */
static inline void inverse_norms(i64 across, const real *square, real *out) {
    for (i64 n = 0; n < across; n += LANES) store(out + n, R(1.0) / vector_sqrt(load(square + n) + NORM_EPSILON));
}

static inline real inverse_norm(i64 width, const real *key) {
    vec total = {0};
    for (i64 m = 0; m < width; m += LANES) {
        vec x = load_some(key + m, width - m);
        total += x * x;
    }
    return R(1.0) / real_sqrt(sum(total) + NORM_EPSILON);
}

/* Equations 3 and 4 on a tile: M' = M prod_w (1 - w_w e_w) + sum_w w_w a_w. With `reads`, also equation 2 into rows
 * (readers * width vectors), and the squared norms of M'. from may be to. */
INLINE void write_tile(const int wide, const i64 readers, const i64 writers, const int reads, i64 width, i64 across,
                       const real *from, real *to, const real *read_weights, const real *write_weights,
                       const real *erase, const real *add, vec *rows, real *square) {
    vec norm[TILE];
    for (int v = 0; v < wide; v++) norm[v] = (vec){0};
    for (i64 m = 0; m < width; m++) {
        vec x[TILE];
        for (int v = 0; v < wide; v++) x[v] = load(from + m * across + v * LANES);
        for (i64 h = 0; h < writers; h++)
            for (int v = 0; v < wide; v++)
                x[v] *= R(1.0) - load(write_weights + h * across + v * LANES) * erase[h * width + m];
        for (i64 h = 0; h < writers; h++)
            for (int v = 0; v < wide; v++) x[v] += load(write_weights + h * across + v * LANES) * add[h * width + m];
        for (int v = 0; v < wide; v++) {
            store(to + m * across + v * LANES, x[v]);
            norm[v] += x[v] * x[v];
        }
        if (reads)
            for (i64 h = 0; h < readers; h++) {
                vec total = rows[h * width + m];
                for (int v = 0; v < wide; v++) total += load(read_weights + h * across + v * LANES) * x[v];
                rows[h * width + m] = total;
            }
    }
    if (reads)
        for (int v = 0; v < wide; v++) store(square + v * LANES, norm[v]);
}

/* One write, then one read of what it left. */
static void write_and_read(const Shape *d, real *memory, const real *read_weights, const real *write_weights,
                           const real *erase, const real *add, vec *rows, real *square, real *reads) {
    i64 across = d->across, width = d->width;
    for (i64 i = 0; i < d->readers * width; i++) rows[i] = (vec){0};
#define BODY(wide)                                                                                                    \
    write_tile(wide, READERS, WRITERS, 1, width, across, memory + n, memory + n, read_weights + n, write_weights + n, \
               erase, add, rows, square + n)
    if (d->readers == 1 && d->writers == 1) {
#define READERS 1
#define WRITERS 1
        FOR_TILES(BODY);
#undef READERS
#undef WRITERS
    } else {
#define READERS d->readers
#define WRITERS d->writers
        FOR_TILES(BODY);
#undef READERS
#undef WRITERS
    }
#undef BODY
    sum_rows(rows, d->readers * width, reads);
}

/* One write alone: what the backward pass repeats between the memories that were saved. */
static void write_again(const Shape *d, const real *from, real *to, const real *write_weights, const real *erase,
                        const real *add) {
    i64 across = d->across, width = d->width;
#define BODY(wide)                                                                                                 \
    write_tile(wide, 0, WRITERS, 0, width, across, from + n, to + n, 0, write_weights + n, erase, add, 0, 0)
    if (d->writers == 1) {
#define WRITERS 1
        FOR_TILES(BODY);
#undef WRITERS
    } else {
#define WRITERS d->writers
        FOR_TILES(BODY);
#undef WRITERS
    }
#undef BODY
}

/* Back through equations 2 to 4 on a tile. grad: of M_t, becomes that of M_(t-1) as far as it passes the write.
 * Adds to the gradients of the weightings; row_erase and row_add get those of e and a, a vector a feature. */
INLINE void unwrite_tile(const int wide, const i64 readers, const i64 writers, i64 width, i64 across,
                         const real *memory, real *grad, const real *read_weights, const real *write_weights,
                         const real *erase, const real *add, const real *d_reads, real *d_read_weights,
                         real *d_write_weights, vec *row_erase, vec *row_add) {
    vec d_read[TILE], d_write[TILE]; /* used where there is one head of a kind */
    for (int v = 0; v < wide; v++) d_read[v] = d_write[v] = (vec){0};
    for (i64 m = 0; m < width; m++) {
        vec g[TILE], after[TILE];
        for (int v = 0; v < wide; v++) {
            vec x = load(memory + m * across + v * LANES), total = {0};
            g[v] = load(grad + m * across + v * LANES);
            for (i64 h = 0; h < writers; h++) {
                vec w = load(write_weights + h * across + v * LANES);
                x *= R(1.0) - w * erase[h * width + m];
                total += w * add[h * width + m];
            }
            after[v] = x + total; /* M_t */
            for (i64 h = 0; h < readers; h++) {
                g[v] += load(read_weights + h * across + v * LANES) * d_reads[h * width + m];
                vec d = after[v] * d_reads[h * width + m];
                if (readers == 1) d_read[v] += d;
                else store(d_read_weights + h * across + v * LANES, load(d_read_weights + h * across + v * LANES) + d);
            }
        }
        for (i64 h = 0; h < writers; h++) {
            vec to_erase = row_erase[h * width + m], to_add = row_add[h * width + m];
            for (int v = 0; v < wide; v++) {
                vec w = load(write_weights + h * across + v * LANES);
                vec kept = g[v] * load(memory + m * across + v * LANES);
                for (i64 other = 0; other < writers; other++)
                    if (other != h)
                        kept *= R(1.0) - load(write_weights + other * across + v * LANES) * erase[other * width + m];
                to_add += g[v] * w;
                to_erase -= kept * w;
                vec d = g[v] * add[h * width + m] - kept * erase[h * width + m];
                if (writers == 1) d_write[v] += d;
                else store(d_write_weights + h * across + v * LANES, load(d_write_weights + h * across + v * LANES) + d);
            }
            row_erase[h * width + m] = to_erase;
            row_add[h * width + m] = to_add;
        }
        for (int v = 0; v < wide; v++) {
            for (i64 h = 0; h < writers; h++)
                g[v] *= R(1.0) - load(write_weights + h * across + v * LANES) * erase[h * width + m];
            store(grad + m * across + v * LANES, g[v]);
        }
    }
    for (int v = 0; v < wide; v++) {
        real *to_read = d_read_weights + v * LANES, *to_write = d_write_weights + v * LANES;
        if (readers == 1) store(to_read, load(to_read) + d_read[v]);
        if (writers == 1) store(to_write, load(to_write) + d_write[v]);
    }
}

static void read_and_write_backward(const Shape *d, const real *memory, real *grad, const real *read_weights,
                                    const real *write_weights, const real *erase, const real *add,
                                    const real *d_reads, real *d_read_weights, real *d_write_weights, vec *rows,
                                    real *d_erase, real *d_add) {
    i64 across = d->across, width = d->width;
    vec *row_erase = rows, *row_add = rows + padded(d->writers * width);
    for (i64 i = 0; i < d->writers * width; i++) row_erase[i] = row_add[i] = (vec){0};
#define BODY(wide)                                                                                               \
    unwrite_tile(wide, READERS, WRITERS, width, across, memory + n, grad + n, read_weights + n, write_weights + n, \
                 erase, add, d_reads, d_read_weights + n, d_write_weights + n, row_erase, row_add)
    if (d->readers == 1 && d->writers == 1) {
#define READERS 1
#define WRITERS 1
        FOR_TILES(BODY);
#undef READERS
#undef WRITERS
    } else {
#define READERS d->readers
#define WRITERS d->writers
        FOR_TILES(BODY);
#undef READERS
#undef WRITERS
    }
#undef BODY
    sum_rows(row_erase, d->writers * width, d_erase);
    sum_rows(row_add, d->writers * width, d_add);
}

/* Back through equation 6 on a tile: cosine = key . M(n) * inverse_key * inverse(n). pull[h][n] is the gradient of
 * the cosine times both inverses; push[n] the sum over heads of gradient times cosine, times inverse(n)^2. */
INLINE void similarity_tile(const int wide, const i64 heads, i64 width, i64 across, const real *memory, real *grad,
                            const real *key, const real *pull, const real *push, vec *rows) {
    for (i64 m = 0; m < width; m++) {
        vec x[TILE], g[TILE];
        for (int v = 0; v < wide; v++) {
            x[v] = load(memory + m * across + v * LANES);
            g[v] = load(grad + m * across + v * LANES) - x[v] * load(push + v * LANES);
        }
        for (i64 h = 0; h < heads; h++) {
            vec total = rows[h * width + m];
            for (int v = 0; v < wide; v++) {
                vec p = load(pull + h * across + v * LANES);
                total += p * x[v];
                g[v] += p * key[h * width + m];
            }
            rows[h * width + m] = total;
        }
        for (int v = 0; v < wide; v++) store(grad + m * across + v * LANES, g[v]);
    }
}

static void similarity_backward(const Shape *d, const real *memory, real *grad, const real *key, const real *pull,
                                const real *push, vec *rows, real *d_key) {
    i64 across = d->across, width = d->width, heads = d->readers + d->writers;
    for (i64 i = 0; i < heads * width; i++) rows[i] = (vec){0};
#define BODY(wide) similarity_tile(wide, HEADS, width, across, memory + n, grad + n, key, pull + n, push + n, rows)
    if (heads == 2) {
#define HEADS 2
        FOR_TILES(BODY);
#undef HEADS
    } else {
#define HEADS heads
        FOR_TILES(BODY);
#undef HEADS
    }
#undef BODY
    sum_rows(rows, heads * width, d_key);
}

/* (slots, width) as users hold it to (width, across) with zeros past the last slot, and back. */
static void to_width_major(i64 slots, i64 width, i64 across, const real *from, real *to) {
    for (i64 m = 0; m < width; m++) {
        for (i64 n = 0; n < slots; n++) to[m * across + n] = from[n * width + m];
        for (i64 n = slots; n < across; n++) to[m * across + n] = 0;
    }
}

static void to_slot_major(i64 slots, i64 width, i64 across, const real *from, real *to) {
    for (i64 n = 0; n < slots; n++)
        for (i64 m = 0; m < width; m++) to[n * width + m] = from[m * across + n];
}

#endif
