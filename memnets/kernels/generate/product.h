/* Products of a few rows (the samples of a block) with a weight matrix packed in panels.
 *
 * A panel is up to PANEL vectors wide and holds the matrix's rows one after another, so that the inner loop reads it
 * straight through; ROWS x PANEL sums stay in registers. */
#ifndef MEMNETS_PRODUCT_H
#define MEMNETS_PRODUCT_H

#include "vector.h"

#if MEMNETS_BYTES == 64
#define ROWS 8
#define PANEL 3
#else
#define ROWS 4
#define PANEL 3
#endif

/* A (rows x padded(outer)) matrix in panels. */
typedef struct {
    i64 rows, outer;
    real *data;
} Packed;

/* What a product takes: `inner` numbers of each row, `along` apart, the rows `stride` apart. */
typedef struct {
    i64 inner;
    const real *data;
    i64 stride, along;
} Taken;

INLINE i64 packed_size(i64 rows, i64 outer) { return rows * padded(outer); }

/* Where column n of a packed matrix begins; its rows are *wide vectors apart. */
INLINE real *column(const Packed *p, i64 n, i64 *wide) {
    i64 vectors = padded(p->outer) / LANES, first = n / LANES / PANEL * PANEL;
    *wide = vectors - first < PANEL ? vectors - first : PANEL;
    return p->data + first * LANES * p->rows + n - first * LANES;
}

/* Zeros in the last vector of each row, part of which may belong to no column. */
static void clear_last(Packed *p) {
    i64 wide;
    real *to = column(p, padded(p->outer) - LANES, &wide);
    for (i64 k = 0; k < p->rows; k++) *(vec *)(to + k * wide * LANES) = (vec){0};
}

/* Copies a part of the matrix, element (k, n) at source[k * down + n * across], to rows from first_row on and columns
 * from first_column on: a square of vectors at a time where a column lies without gaps, else along the rows. */
static void pack(Packed *p, i64 first_row, i64 rows, i64 first_column, i64 columns, const real *source, i64 down,
                 i64 across) {
    i64 wide, square = down == 1 && first_column % LANES == 0 ? rows / LANES * LANES : 0;
    for (i64 n = 0; n < columns && square; n += LANES) {
        real *to = column(p, first_column + n, &wide) + first_row * wide * LANES;
        for (i64 k = 0; k < square; k += LANES) {
            vec t[LANES];
            for (i64 i = 0; i < LANES; i++) t[i] = n + i < columns ? load(source + (n + i) * across + k) : (vec){0};
            transpose(t);
            for (i64 i = 0; i < LANES; i++) *(vec *)(to + (k + i) * wide * LANES) = t[i];
        }
    }
    for (i64 n = 0; n < columns;) {
        i64 start = first_column + n, stretch = LANES - start % LANES;
        if (stretch > columns - n) stretch = columns - n;
        real *to = column(p, start, &wide) + first_row * wide * LANES;
        for (i64 k = square; k < rows; k++)
            for (i64 i = 0; i < stretch; i++) to[k * wide * LANES + i] = source[k * down + (n + i) * across];
        n += stretch;
    }
}

INLINE const real *add_products(const int rows, const int wide, vec total[ROWS][PANEL], const Taken *from,
                                const real *panel) {
    for (i64 k = 0; k < from->inner; k++) {
        vec b[PANEL];
#pragma GCC unroll 3
        for (int v = 0; v < wide; v++) b[v] = *(const vec *)(panel + v * LANES);
        panel += wide * LANES;
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vec x = splat(from->data[r * from->stride + k * from->along]);
#pragma GCC unroll 3
            for (int v = 0; v < wide; v++) total[r][v] += x * b[v];
        }
    }
    return panel;
}

INLINE void product_tile(const int rows, const int wide, int bias, Taken a, Taken x, const real *panel,
                         const real *start, i64 start_stride, real *out, i64 out_stride) {
    vec total[ROWS][PANEL];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < wide; v++) {
            total[r][v] = bias ? *(const vec *)(panel + v * LANES) : (vec){0};
            if (start) total[r][v] += load(start + r * start_stride + v * LANES);
        }
    if (bias) panel += wide * LANES;
    panel = add_products(rows, wide, total, &a, panel);
    add_products(rows, wide, total, &x, panel);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < wide; v++) *(vec *)(out + r * out_stride + v * LANES) = total[r][v];
}

#define TILE(rows, wide) product_tile(rows, wide, bias, a, x, panel, start, start_stride, out, out_stride)
#define PANEL_CASES(rows)               \
    case rows:                          \
        if (wide == 3) TILE(rows, 3);   \
        else if (wide == 2) TILE(rows, 2); \
        else TILE(rows, 1);             \
        break;

/* out (rows, outer) = start (rows, outer) + bias + a (rows, inner) @ p + x (rows, x.inner) @ p, start null for zeros.
 *
 * p holds the bias, if there is one, then the rows for a, then those for x; out is aligned, its rows padded, and behind
 * start is room for a vector. */
static void product(i64 rows, int bias, Taken a, Taken x, const Packed *p, const real *start, i64 start_stride,
                    real *out, i64 out_stride) {
    i64 vectors = padded(p->outer) / LANES;
    for (i64 v = 0; v < vectors; v += PANEL) {
        const real *panel = p->data + v * LANES * p->rows;
        i64 wide = vectors - v < PANEL ? vectors - v : PANEL;
        switch (rows) {
            PANEL_CASES(1)
            PANEL_CASES(2)
            PANEL_CASES(3)
            PANEL_CASES(4)
#if ROWS == 8
            PANEL_CASES(5)
            PANEL_CASES(6)
            PANEL_CASES(7)
            PANEL_CASES(8)
#endif
        }
        out += PANEL * LANES;
        if (start) start += PANEL * LANES;
    }
}

#endif
