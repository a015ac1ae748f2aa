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

/* A (inner x padded(outer)) matrix in panels. */
typedef struct {
    i64 inner, outer;
    real *data;
} Packed;

INLINE i64 packed_size(i64 inner, i64 outer) { return inner * padded(outer); }

/* Copies a part of the matrix, element (k, n) at source[k * down + n * across], to rows from first_row on and columns
 * from first_column on. Columns past the last stay as they are: zero, by clear(). */
static void pack(Packed *p, i64 first_row, i64 rows, i64 first_column, i64 columns, const real *source, i64 down,
                 i64 across) {
    i64 vectors = padded(p->outer) / LANES;
    for (i64 n = 0; n < columns; n++) {
        i64 column = first_column + n, panel = column / LANES / PANEL;
        i64 wide = vectors - panel * PANEL < PANEL ? vectors - panel * PANEL : PANEL;
        real *to = p->data + panel * PANEL * LANES * p->inner + column - panel * PANEL * LANES;
        for (i64 k = 0; k < rows; k++) to[(first_row + k) * wide * LANES] = source[k * down + n * across];
    }
}

static void clear(Packed *p) { memset(p->data, 0, sizeof(real) * (size_t)packed_size(p->inner, p->outer)); }

INLINE void product_tile(const int rows, const int wide, i64 inner, const real *a, i64 a_stride, const real *panel,
                         const real *start, i64 start_stride, real *out, i64 out_stride) {
    vec total[ROWS][PANEL];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < wide; v++) total[r][v] = start ? load(start + r * start_stride + v * LANES) : (vec){0};
    for (i64 k = 0; k < inner; k++) {
        vec b[PANEL];
#pragma GCC unroll 3
        for (int v = 0; v < wide; v++) b[v] = *(const vec *)(panel + v * LANES);
        panel += wide * LANES;
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vec x = splat(a[r * a_stride + k]);
#pragma GCC unroll 3
            for (int v = 0; v < wide; v++) total[r][v] += x * b[v];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < wide; v++) *(vec *)(out + r * out_stride + v * LANES) = total[r][v];
}

#define PANEL_CASES(rows)                                                                                  \
    case rows:                                                                                             \
        if (wide == 3) product_tile(rows, 3, inner, a, a_stride, panel, start, start_stride, out, out_stride); \
        else if (wide == 2) product_tile(rows, 2, inner, a, a_stride, panel, start, start_stride, out, out_stride); \
        else product_tile(rows, 1, inner, a, a_stride, panel, start, start_stride, out, out_stride); \
        break;

/* out (rows, outer) = start (rows, outer) + a (rows, inner) @ p, start null for zeros; out is aligned, its rows padded,
 * and behind start is room for a vector. */
static void product(i64 rows, const real *a, i64 a_stride, const Packed *p, const real *start, i64 start_stride,
                    real *out, i64 out_stride) {
    i64 inner = p->inner, vectors = padded(p->outer) / LANES;
    for (i64 v = 0; v < vectors; v += PANEL) {
        const real *panel = p->data + v * LANES * inner;
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
