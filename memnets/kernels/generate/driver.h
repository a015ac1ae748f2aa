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

#define EXPORT __attribute__((visibility("default")))

/* Mirrored in library.py. Pointers not needed for a call are null. */
typedef struct {
    i64 batch, steps, every, keep, threads;
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
    real *big;                    /* (ceil(T / every), B, BIG): large parts of the state before each such step */
    real *packed, *scratch;       /* as large as memnets_sizes says */
    const real *d_out;            /* (T, B, F) */
    real *d_x, *d_records, *sums; /* (T, B, I), (T, B, D_RECORD), (threads, ACCUMULATORS) */
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
    real *local, *row, *big, *ring, *segment, *d_state, *sums;
} Room;

static i64 lay_out(const Args *a, int back, real *base, Room *r) {
    real *at = base;
#define TAKE(name, n) r->name = at, at += round_up(n)
    TAKE(local, LOCAL + LANES);
    TAKE(row, ROWS * ROW + LANES);
    TAKE(big, ROWS * BIG_COPIES * BIG + LANES);
    TAKE(ring, (a->keep || back ? 0 : ROWS * 2 * RECORD) + LANES);
    TAKE(segment, (back ? ROWS * a->every * BIG : 0) + LANES);
    TAKE(d_state, (back ? ROWS * D_STATE_COPIES * D_STATE : 0) + LANES);
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
    Taken from = {p->inner, record(a, r, at, b, 0) + p->first, across};
    Taken x = {p->taken, a->x + t * a->x_step + b * a->x_row + p->x, a->x_row};
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
        if (BIG && a->keep && t % a->every == 0)
            for (i64 i = 0; i < active; i++)
                memcpy(a->big + (t / a->every * a->batch + b + i) * BIG, large(r, t, i), sizeof(real) * BIG);
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

/* Large parts of the state of sample b before step t, of the segment that starts at a multiple of `every`. */
static real *large_before(const Args *a, const Room *r, i64 t, i64 b, i64 i) {
    i64 offset = t % a->every;
    if (!offset) return a->big + (t / a->every * a->batch + b) * BIG;
    return r->segment + (i * a->every + offset) * BIG;
}

static void repeat_segment(const Args *a, const Room *r, i64 last, i64 b, i64 i) {
    if (!BIG) return;
    for (i64 t = last / a->every * a->every; t < last; t++) {
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
    Taken from = {p->inner, a->d_records + (t * a->batch + b) * D_RECORD + p->first, D_RECORD}, none = {0};
    product(rows, 0, from, none, &m, 0, 0, r->row + p->out, ROW);
}

static void backward_block(const Args *a, const Room *r, i64 b, i64 rows) {
    for (i64 i = 0; i < rows; i++) d_state_in(a->first, b + i, d_state(r, length_of(a, b + i), i));
    for (i64 t = a->steps - 1; t >= 0; t--) {
        i64 active = running(a, b, rows, t), done = 0;
        for (i64 i = 0; i < active; i++)
            if (length_of(a, b + i) == t + 1 || t % a->every == a->every - 1) repeat_segment(a, r, t, b + i, i);
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

/* ---- Entry points ---- */

static void over_blocks(const Args *a, int back) {
    Room unused = {0};
    i64 room = lay_out(a, back, a->scratch, &unused), threads = a->threads < a->batch ? a->threads : a->batch;
    i64 blocks = (a->batch + ROWS - 1) / ROWS;
    blocks = (blocks + threads - 1) / threads * threads;
    if (blocks > a->batch) blocks = a->batch;
    if (back) pack_all(a, backward_products, backward_terms, BACKWARD_PRODUCTS, 1);
    else pack_all(a, forward_products, forward_terms, FORWARD_PRODUCTS, 0);
#ifdef _OPENMP
#pragma omp parallel for schedule(static, 1) num_threads((int)threads) if (threads > 1)
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
        lay_out(a, back, a->scratch + thread * room, &r);
        r.sums = a->sums + thread * ACCUMULATORS;
        i64 first = a->batch * n / blocks, rows = a->batch * (n + 1) / blocks - first;
        if (back) backward_block(a, &r, first, rows);
        else forward_block(a, &r, first, rows);
#if defined(__SSE2__)
        _mm_setcsr(mode);
#endif
    }
}

EXPORT i64 memnets_args_size(void) { return sizeof(Args); }

/* How many numbers `packed`, and `scratch` for each thread, must hold. */
EXPORT void memnets_sizes(const Args *a, i64 back, i64 *out) {
    Room unused = {0};
    out[0] = (back ? packed_sizes(backward_products, BACKWARD_PRODUCTS) : packed_sizes(forward_products, FORWARD_PRODUCTS)) + LANES;
    out[1] = lay_out(a, (int)back, (real *)64, &unused);
}

EXPORT void memnets_forward(const Args *a) { over_blocks(a, 0); }

EXPORT void memnets_backward(const Args *a) { over_blocks(a, 1); }
