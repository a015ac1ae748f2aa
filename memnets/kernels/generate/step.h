/* What generated code is written in: the pointers of one step of one sample, and tables of products. */
#ifndef MEMNETS_STEP_H
#define MEMNETS_STEP_H

#include "product.h"

/* rec, next: the records of this step and the next; cur, nxt: large parts of the state before and after; row: numbers
 * of the sample that outlive a phase; loc: of the thread; seg: large parts of the state before the step, on the way
 * back; dcur, dnxt: gradients of the state after and before; dpar: sums for parameters that are no product's. */
typedef struct {
    real *x, *out, *rec, *next, *cur, *nxt, *row, *loc, *dout, *dx, *seg, *drec, *dcur, *dnxt, *dpar;
    const real *const *params;
} Step;

typedef void (*Phase)(const Step *);

/* A product's input lies at `first` of the step's record, or of the next; `taken` of the step's own inputs, from `x`
 * on, follow it. Its output lies at `out` of the record if kept, else among the sample's numbers. What its sums start
 * from is array `start`, or none. `term` and `bias` are the first of its `terms` and `biases` in their tables. */
typedef struct {
    i64 phase, inner, outer, first, next, x, taken, kept, out, start, term, terms, bias, biases;
} Product;

/* Columns `start` to `start + length` of a parameter that lies (out, in) if turned, else (in, out). */
typedef struct {
    i64 param, turned, start, length, columns;
} Term;

/* What the gradients of a product's parameters are made of: that of its output, `size` numbers from `d` on, and the
 * `terms` parts that it was given, `width` numbers together, of which the first is `part` of the table. */
typedef struct {
    i64 size, d, width, part, parts;
} Gradient;

/* Where the numbers lie that columns of a parameter, as a Term has them, were multiplied with: from `first` on, `step`
 * apart, in the records, the next ones or the inputs. */
typedef struct {
    Term term;
    enum { RECORDS, NEXT_RECORDS, GIVEN_INPUTS } base;
    i64 first, step;
} Part;

/* Sums of a sample's own gradients that a parameter gets: `size` of them, from `first` on. */
typedef struct {
    i64 param, first, size;
} Sum;

#endif
