/* A sequence, forward and backward, around the phases of one step that stand above.
 *
 * Samples are taken in blocks of up to ROWS. A block goes through all steps before the next one starts, so that its
 * state and the parameters stay in cache, and blocks are shared out among threads. Arrays over time have the step
 * first, then the sample. Sequences come longest first: those that still run are always the first of their block. */
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

/* Rows that are summed before they are added to a parameter's gradient: as many as stay in cache. */
#define CHUNK 128

#define EXPORT __attribute__((visibility("default")))

/* Mirrored in library.py. Pointers not needed for a call are null. */
typedef struct {
    i64 batch, steps, keep, threads;
    i64 x_step, x_row;            /* from one step, and one sample, to the next in x */
    i64 out_step, out_row;        /* the same in out or d_out */
    const i64 *lengths;           /* (B), longest first; null: all have all steps */
    const real *x;                /* (T, B, I), in any order */
    real *out;                    /* (T, B, F), in any order */
    const real *const *params;
    const real *const *starts;    /* for each product that has one: what its sums start from, laid out as x */
    const real *const *first;     /* states before, as users hold them; going back: gradients of those after */
    const i64 *first_rows;        /* from one sample to the next in each of them, 0 where all start alike */
    real *const *last;            /* states after; going back: gradients of those before, or null */
    real *records;                /* (T + 1, B, RECORD) */
    real *big;                    /* (ceil(T / EVERY), B, BIG): large parts of the state before each such step */
    real *packed, *scratch;       /* as large as memnets_sizes says */
    const real *d_out;            /* (T, B, F) */
    real *d_x, *d_records, *sums; /* (T, B, I), (T, B, D_RECORD), (threads, ACCUMULATORS) */
    real *const *grads;           /* of each parameter, to be added to; null where none is wanted */
} Args;

INLINE i64 round_up(i64 n) { return (n + 63) / 64 * 64; }

static i64 length_of(const Args *a, i64 b) { return a->lengths ? a->lengths[b] : a->steps; }

/* How many of the block's samples take step t: the first ones, since the longest come first. */
static i64 running(const Args *a, i64 b, i64 rows, i64 t) {
    i64 n = rows;
    while (n && length_of(a, b + n - 1) <= t) n--;
    return n;
}

/* ---- Products ---- */

static i64 packed_sizes(const Product *p, i64 count) {
    i64 size = 0;
    for (i64 k = 0; k < count; k++) size += packed_size(!!p[k].biases + p[k].inner + p[k].taken, p[k].outer);
    return size;
}

static Packed packed_of(const Product *p, i64 k, real *data) {
    return (Packed){!!p[k].biases + p[k].inner + p[k].taken, p[k].outer, data + packed_sizes(p, k)};
}

static void pack_biases(const Args *a, const Product *p, Packed *to) {
    for (i64 n = 0; n < p->outer; n++) {
        real sum = 0;
        i64 wide;
        for (i64 k = p->bias; k < p->bias + p->biases; k++) sum += a->params[biases[k]][n];
        *column(to, n, &wide) = sum;
    }
}

static void pack_all(const Args *a, const Product *p, const Term *terms, i64 count, int back) {
    for (i64 k = 0; k < count; k++) {
        Packed to = packed_of(p, k, a->packed);
        clear_last(&to);
        i64 at = !!p[k].biases;
        if (at) pack_biases(a, p + k, &to);
        for (const Term *t = terms + p[k].term; t < terms + p[k].term + p[k].terms; at += t++->length) {
            i64 in = t->turned ? 1 : t->columns, out = t->turned ? t->columns : 1;
            const real *from = a->params[t->param] + t->start * in;
            if (back) pack(&to, 0, p[k].inner, at, t->length, from, out, in);
            else pack(&to, at, t->length, 0, p[k].outer, from, in, out);
        }
    }
}

/* ---- Room for a block ---- */

typedef struct {
    real *local, *row, *big, *ring, *segment, *d_state, *panel, *sums;
} Room;

static i64 lay_out(int keep, int back, real *base, Room *r) {
    real *at = base;
#define TAKE(name, n) r->name = at, at += round_up(n)
    TAKE(local, LOCAL + LANES);
    TAKE(row, ROWS * ROW + LANES);
    TAKE(big, ROWS * BIG_COPIES * BIG + LANES);
    TAKE(ring, (keep || back ? 0 : ROWS * 2 * RECORD) + LANES);
    TAKE(segment, (back ? ROWS * EVERY * BIG : 0) + LANES);
    TAKE(d_state, (back ? ROWS * D_STATE_COPIES * D_STATE : 0) + LANES);
    TAKE(panel, back ? CHUNK * padded(HIGHEST) + (CHUNK + ROWS) * padded(WIDEST) : 0);
#undef TAKE
    return at - base;
}

static real *record(const Args *a, const Room *r, i64 t, i64 b, i64 i) {
    return a->keep ? a->records + (t * a->batch + b) * RECORD : r->ring + (i * 2 + (t & 1)) * RECORD;
}

static real *large(const Room *r, i64 t, i64 i) { return r->big + (BIG_COPIES == 1 ? i : i * 2 + (t & 1)) * BIG; }

static real *d_state(const Room *r, i64 t, i64 i) { return r->d_state + (D_STATE_COPIES == 1 ? i : i * 2 + (t & 1)) * D_STATE; }

/* ---- Forward ---- */

static void multiply(const Args *a, const Room *r, const Product *all, i64 k, i64 t, i64 b, i64 rows) {
    const Product *p = all + k;
    Packed m = packed_of(all, k, a->packed);
    i64 at = t + p->next, across = a->keep ? RECORD : 2 * RECORD; /* from one sample's record to the next */
    i64 apart = INPUTS ? a->x_row / INPUTS * p->outer : 0, step = INPUTS ? a->x_step / INPUTS * p->outer : 0;
    const real *start = p->start < 0 ? 0 : a->starts[p->start] + t * step + b * apart;
    Taken from = {p->inner, record(a, r, at, b, 0) + p->first, across, 1};
    Taken x = {p->taken, a->x + t * a->x_step + b * a->x_row + p->x, a->x_row, 1};
    real *out = (p->kept ? record(a, r, t, b, 0) : r->row) + p->out;
    product(rows, p->biases > 0, from, x, &m, start, apart, out, p->kept ? across : ROW);
}

static void forward_block(const Args *a, const Room *r, i64 b, i64 rows) {
    for (i64 i = 0; i < rows; i++) {
        state_in(a->first, a->first_rows, b + i, record(a, r, 0, b + i, i), large(r, 0, i));
        if (!length_of(a, b + i)) state_out(a->last, b + i, record(a, r, 0, b + i, i), large(r, 0, i));
    }
    for (i64 t = 0; t < a->steps; t++) {
        i64 active = running(a, b, rows, t), done = 0;
        if (!active) break;
        if (BIG && a->keep && t % EVERY == 0)
            for (i64 i = 0; i < active; i++)
                memcpy(a->big + (t / EVERY * a->batch + b + i) * BIG, large(r, t, i), sizeof(real) * BIG);
        for (i64 phase = 0; phase < FORWARD_PHASES; phase++) {
            for (; done < FORWARD_PRODUCTS && forward_products[done].phase <= phase; done++)
                multiply(a, r, forward_products, done, t, b, active);
            for (i64 i = 0; i < active; i++) {
                Step s = {
                    .x = (real *)a->x + t * a->x_step + (b + i) * a->x_row, .out = a->out + t * a->out_step + (b + i) * a->out_row,
                    .rec = record(a, r, t, b + i, i), .next = record(a, r, t + 1, b + i, i),
                    .cur = large(r, t, i), .nxt = large(r, t + 1, i),
                    .row = r->row + i * ROW, .loc = r->local, .params = a->params,
                };
                forward_phases[phase](&s);
            }
        }
        for (i64 i = 0; i < active; i++)
            if (length_of(a, b + i) == t + 1)
                state_out(a->last, b + i, record(a, r, t + 1, b + i, i), large(r, t + 1, i));
    }
}

/* ---- Backward ---- */

/* Large parts of the state of sample b before step t, of the segment that starts at a multiple of EVERY. */
static real *large_before(const Args *a, const Room *r, i64 t, i64 b, i64 i) {
    i64 offset = t % EVERY;
    if (!offset) return a->big + (t / EVERY * a->batch + b) * BIG;
    return r->segment + (i * EVERY + offset) * BIG;
}

static void repeat_segment(const Args *a, const Room *r, i64 last, i64 b, i64 i) {
    if (!BIG) return;
    for (i64 t = last / EVERY * EVERY; t < last; t++) {
        Step s = {
            .x = (real *)a->x + t * a->x_step + b * a->x_row,
            .rec = record(a, r, t, b, i), .next = record(a, r, t + 1, b, i),
            .cur = large_before(a, r, t, b, i), .nxt = large_before(a, r, t + 1, b, i),
            .loc = r->local, .params = a->params,
        };
        for (i64 phase = 0; phase < REPLAY_PHASES; phase++) replay_phases[phase](&s);
    }
}

static void multiply_back(const Args *a, const Room *r, i64 k, i64 t, i64 b, i64 rows) {
    const Product *p = backward_products + k;
    Packed m = packed_of(backward_products, k, a->packed);
    Taken from = {p->inner, a->d_records + (t * a->batch + b) * D_RECORD + p->first, D_RECORD, 1}, none = {0};
    product(rows, 0, from, none, &m, 0, 0, r->row + p->out, ROW);
}

static void backward_block(const Args *a, const Room *r, i64 b, i64 rows) {
    for (i64 i = 0; i < rows; i++) d_state_in(a->first, b + i, d_state(r, length_of(a, b + i), i));
    for (i64 t = a->steps - 1; t >= 0; t--) {
        i64 active = running(a, b, rows, t), done = 0;
        for (i64 i = 0; i < active; i++)
            if (length_of(a, b + i) == t + 1 || t % EVERY == EVERY - 1) repeat_segment(a, r, t, b + i, i);
        if (!active) continue;
        for (i64 phase = 0; phase < BACKWARD_PHASES; phase++) {
            for (; done < BACKWARD_PRODUCTS && backward_products[done].phase <= phase; done++)
                multiply_back(a, r, done, t, b, active);
            for (i64 i = 0; i < active; i++) {
                i64 row = t * a->batch + b + i;
                Step s = {
                    .x = (real *)a->x + t * a->x_step + (b + i) * a->x_row,
                    .dout = (real *)a->d_out + t * a->out_step + (b + i) * a->out_row,
                    .dx = HAS_DX ? a->d_x + row * INPUTS : 0,
                    .rec = record(a, r, t, b + i, i), .next = record(a, r, t + 1, b + i, i),
                    .seg = BIG ? large_before(a, r, t, b + i, i) : 0, .drec = a->d_records + row * D_RECORD,
                    .dcur = d_state(r, t + 1, i), .dnxt = d_state(r, t, i),
                    .row = r->row + i * ROW, .loc = r->local, .dpar = r->sums, .params = a->params,
                };
                backward_phases[phase](&s);
            }
        }
    }
    for (i64 i = 0; i < rows; i++) d_state_out(a->last, b + i, d_state(r, 0, i));
}

/* ---- Gradients of parameters ---- */

static void pack_given(const Args *a, const Part *of, i64 row, i64 at, Packed *to) {
    i64 down = of->base == GIVEN_INPUTS ? INPUTS : RECORD;
    const real *from = of->base == GIVEN_INPUTS ? a->x : a->records + (of->base == NEXT_RECORDS ? a->batch * RECORD : 0);
    pack(to, 0, to->rows, at, of->term.length, from + of->first + row * down, down, of->step);
}

/* Adds some rows (out) of a product's gradient to a parameter's. */
static void add_rows(const Args *a, const Term *t, i64 row, i64 rows, const real *sum, i64 apart) {
    real *grad = a->grads[t->param];
    if (!grad) return;
    for (i64 i = 0; i < rows; i++, sum += apart)
        if (t->turned)
            for (i64 n = 0; n < t->length; n++) grad[(row + i) * t->columns + t->start + n] += sum[n];
        else
            for (i64 n = 0; n < t->length; n++) grad[(t->start + n) * t->columns + row + i] += sum[n];
}

/* Adds this thread's share of the rows of the gradients of a product's parameters. Some steps and samples at a time are
 * copied side by side: where they stand they are too far apart for the processor to fetch them in time. */
static void add_gradient(const Args *a, const Gradient *g, real *room, i64 thread, i64 threads) {
    i64 count = a->steps * a->batch, wide = padded(g->width);
    i64 begin = g->size * thread / threads, end = g->size * (thread + 1) / threads, side = padded(end - begin);
    real *panel = room, *made = panel + CHUNK * wide, *sum = made + CHUNK * side;
    for (i64 first = 0; first < count; first += CHUNK) {
        Packed given = {count - first < CHUNK ? count - first : CHUNK, g->width, panel};
        clear_last(&given);
        for (i64 k = 0, at = 0; k < g->parts; at += parts[g->part + k++].term.length)
            pack_given(a, parts + g->part + k, first, at, &given);
        for (i64 k = 0; k < given.rows; k++)
            memcpy(made + k * side, a->d_records + (first + k) * D_RECORD + g->d + begin, sizeof(real) * (end - begin));
        for (i64 m = begin; m < end; m += ROWS) {
            i64 rows = end - m < ROWS ? end - m : ROWS;
            Taken d = {given.rows, made + m - begin, 1, side}, none = {0};
            product(rows, 0, d, none, &given, 0, 0, sum, wide);
            for (i64 k = 0, at = 0; k < g->parts; at += parts[g->part + k++].term.length)
                add_rows(a, &parts[g->part + k].term, m, rows, sum + at, wide);
        }
    }
}

static void add_sums(const Args *a, const Sum *s, i64 threads) {
    for (i64 thread = 0; thread < threads; thread++)
        for (i64 n = 0; n < s->size; n++) a->grads[s->param][n] += a->sums[thread * ACCUMULATORS + s->first + n];
}

/* ---- Entry points ---- */

static void over_blocks(const Args *a, int back) {
    Room unused = {0};
    i64 room = lay_out((int)a->keep, back, a->scratch, &unused), threads = a->threads < a->batch ? a->threads : a->batch;
    i64 blocks = (a->batch + ROWS - 1) / ROWS;
    blocks = (blocks + threads - 1) / threads * threads;
    if (blocks > a->batch) blocks = a->batch;
    if (back) pack_all(a, backward_products, backward_terms, BACKWARD_PRODUCTS, 1);
    else pack_all(a, forward_products, forward_terms, FORWARD_PRODUCTS, 0);
#ifdef _OPENMP
#pragma omp parallel num_threads((int)threads) if (threads > 1)
#endif
    {
#ifdef _OPENMP
        i64 thread = omp_get_thread_num(), together = omp_get_num_threads();
#else
        i64 thread = 0, together = 1;
#endif
#if defined(__SSE2__)
        unsigned int mode = _mm_getcsr();
        _mm_setcsr(mode | 0x8040); /* numbers below the normal range count as zero: they would slow all else down */
#endif
        Room r = {0};
        lay_out((int)a->keep, back, a->scratch + thread * room, &r);
        r.sums = a->sums + thread * ACCUMULATORS;
        for (i64 n = thread; n < blocks; n += together) {
            i64 first = a->batch * n / blocks, rows = a->batch * (n + 1) / blocks - first;
            if (back) backward_block(a, &r, first, rows);
            else forward_block(a, &r, first, rows);
        }
#ifdef _OPENMP
#pragma omp barrier
#endif
        for (i64 k = 0; back && k < GRADIENTS; k++)
            add_gradient(a, gradients + k, r.panel, thread, together);
#if defined(__SSE2__)
        _mm_setcsr(mode);
#endif
    }
    for (i64 k = 0; back && k < SUMS; k++)
        if (a->grads[sums[k].param]) add_sums(a, sums + k, threads);
}

EXPORT i64 memnets_args_size(void) { return sizeof(Args); }

/* How many numbers `packed`, and `scratch` for each thread, must hold: keeping nothing, keeping, and going back. */
EXPORT void memnets_sizes(i64 *out) {
    Room unused = {0};
    i64 packed = packed_sizes(forward_products, FORWARD_PRODUCTS);
    for (int kind = 0; kind < 3; kind++) {
        out[2 * kind] = (kind < 2 ? packed : packed_sizes(backward_products, BACKWARD_PRODUCTS)) + LANES;
        out[2 * kind + 1] = lay_out(kind, kind == 2, (real *)64, &unused);
    }
}

EXPORT void memnets_forward(const Args *a) { over_blocks(a, 0); }

EXPORT void memnets_backward(const Args *a) { over_blocks(a, 1); }
