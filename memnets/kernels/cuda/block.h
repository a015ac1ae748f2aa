/* What a block of THREADS threads, a power of two, does together. The threads of a call are numbered `me` from 0 and come
 * in whole warps; a group of them within a warp shares one result, and stands STEP apart. */

template <int GROUP, int STEP, class Number> INLINE Number group_sum(Number x) {
#pragma unroll
    for (int apart = STEP; apart < GROUP * STEP; apart *= 2) x += __shfl_xor_sync(0xffffffffu, x, apart);
    return x;
}

template <int GROUP, int STEP> INLINE real group_max(real x) {
#pragma unroll
    for (int apart = STEP; apart < GROUP * STEP; apart *= 2) x = s_maximum(x, __shfl_xor_sync(0xffffffffu, x, apart));
    return x;
}

/* ---- Copies ---- */

INLINE void copy(int thread, real *to, const real *from, int n) {
    for (int e = thread; e < n; e += THREADS) to[e] = from[e];
}

/* The same into shared memory, there once the thread has called fetched(). */
INLINE void fetch(int thread, real *to, const real *from, int n) {
    for (int e = thread; e < n; e += THREADS) fetch_one(to + e, from + e);
}

/* ---- Products with packed matrices ---- */

struct alignas(16) Four {
    real x[4];
};

/* sum += in[k] * row k, for those of the rows FROM to TO that are the member's. */
template <int FROM, int TO, int GROUP, int FOURS>
INLINE void add_rows(int member, const Four *rows, const real *in, real *sum) {
#pragma unroll 8
    for (int k = FROM + member; k < TO; k += GROUP) {
        const Four row = rows[k * FOURS];
        const real by = in[k];
#pragma unroll
        for (int i = 0; i < 4; i++) sum[i] += row.x[i] * by;
    }
}

INLINE constexpr int within(int n, int most) { return n < 0 ? 0 : n < most ? n : most; }

/* out (OUTER) = start + bias + in (INNER) @ matrix + x (TAKEN) @ matrix; the packed matrix has a row for the bias, if
 * there is one, then those for `in`, then those for x, each of whole fours. The first KEPT rows lie in `kept` too. */
template <int INNER, int TAKEN, int OUTER, int BIAS, int GROUP, int KEPT>
INLINE void multiply(int me, const real *kept, const real *matrix, const real *in, const real *x, const real *start,
                     real *out) {
    constexpr int FOURS = (OUTER + 3) / 4, ACROSS = 32 / GROUP;
    constexpr int OF_IN = within(KEPT - BIAS, INNER), OF_X = within(KEPT - BIAS - INNER, TAKEN);
    const int member = me % 32 / ACROSS;
    for (int base = me / 32 * ACROSS; base < FOURS; base += THREADS / 32 * ACROSS) {
        const int n = base + me % ACROSS;
        real sum[4] = {0, 0, 0, 0}, first[4] = {0, 0, 0, 0};
        if (n < FOURS) {
            const Four *near = (const Four *)kept + n, *far = (const Four *)matrix + n;
            if (member == 0)
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    if (BIAS) first[i] = (KEPT ? near : far)->x[i];
                    if (start && 4 * n + i < OUTER) first[i] += start[4 * n + i];
                }
            add_rows<OF_IN, INNER, GROUP, FOURS>(member, far + BIAS * FOURS, in, sum);
            add_rows<OF_X, TAKEN, GROUP, FOURS>(member, far + (BIAS + INNER) * FOURS, x, sum);
            add_rows<0, OF_IN, GROUP, FOURS>(member, near + BIAS * FOURS, in, sum);
            add_rows<0, OF_X, GROUP, FOURS>(member, near + (BIAS + INNER) * FOURS, x, sum);
        }
#pragma unroll
        for (int i = 0; i < 4; i++) sum[i] = group_sum<GROUP, ACROSS>(sum[i] + first[i]);
        if (n < FOURS && member == 0)
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (4 * n + i < OUTER) out[4 * n + i] = sum[i];
    }
}

/* Copies `rows` rows of a matrix of whole fours, element (k, n) at from[k * down + n * across]; past `outer` are zeros. */
INLINE void pack(i64 thread, i64 threads, real *to, i64 rows, i64 outer, const real *from, i64 down, i64 across) {
    const i64 wide = (outer + 3) / 4 * 4;
    for (i64 e = thread; e < rows * wide; e += threads)
        to[e] = e % wide < outer ? from[e / wide * down + e % wide * across] : R(0.0);
}

/* A packed matrix's columns from `first` on, all of its rows, and at its end the zeros. */
INLINE void pack_columns(i64 thread, i64 threads, real *to, i64 rows, i64 outer, i64 first, i64 columns, const real *from,
                         i64 down, i64 across) {
    const i64 wide = (outer + 3) / 4 * 4, own = first + columns == outer ? wide - first : columns;
    for (i64 e = thread; e < rows * own; e += threads) {
        const i64 k = e / own, n = e % own;
        to[k * wide + first + n] = n < columns ? from[k * down + n * across] : R(0.0);
    }
}

/* ---- Whole rows ---- */

enum { SUM, PRODUCT, EXCLUSIVE, LINEAR };

/* Running sums and products, before or with each number, and run = x + by * run with the `by` of the number before. A
 * warp takes a row, each of its threads a stretch: first as a whole, then, once it has what comes before, one by one. */
template <int KIND, bool REVERSE, class Take, class By, class Put>
INLINE void scan(int me, int rows, int n, Take take, By by, Put put) {
    const int lane = me % 32, each = (n + 31) / 32;
    const int begin = lane * each < n ? lane * each : n, end = begin + each < n ? begin + each : n;
    for (int row = me / 32; row < rows; row += THREADS / 32) {
        real factor = 1, run = 0;
        for (int k = begin; k < end; k++) {
            const int at = REVERSE ? n - 1 - k : k;
            if (KIND == SUM) run += take(row, at);
            else if (KIND != LINEAR) factor *= take(row, at);
            else {
                const real f = k ? by(row, REVERSE ? at + 1 : at - 1) : R(0.0);
                run = take(row, at) + f * run;
                factor *= f;
            }
        }
#pragma unroll
        for (int apart = 1; apart < 32; apart *= 2) {
            const real before = __shfl_up_sync(0xffffffffu, run, apart), its = __shfl_up_sync(0xffffffffu, factor, apart);
            if (lane >= apart) {
                if (KIND == SUM) run += before;
                else if (KIND == LINEAR) run += factor * before;
                factor *= its;
            }
        }
        run = __shfl_up_sync(0xffffffffu, KIND == SUM || KIND == LINEAR ? run : factor, 1);
        if (lane == 0) run = KIND == SUM || KIND == LINEAR ? R(0.0) : R(1.0);
        for (int k = begin; k < end; k++) {
            const int at = REVERSE ? n - 1 - k : k;
            const real x = take(row, at);
            if (KIND == EXCLUSIVE) put(row, at, run);
            if (KIND == SUM) run += x;
            else if (KIND != LINEAR) run *= x;
            else run = x + (k ? by(row, REVERSE ? at + 1 : at - 1) : R(0.0)) * run;
            if (KIND != EXCLUSIVE) put(row, at, run);
        }
    }
}

/* The order of n numbers, equal ones as they stand; NaN counts as the largest. Each number's place is how many come
 * before it. */
template <int GROUP, bool DESCENDING, class Take, class Put>
INLINE void sort(int me, int rows, int n, Take take, Put put) {
    constexpr int ACROSS = 32 / GROUP;
    auto key = [&](int row, int i) {
        const real x = take(row, i), k = x != x ? (real)INFINITY : x;
        return DESCENDING ? -k : k;
    };
    for (int base = me / 32 * ACROSS; base < rows * n; base += THREADS / 32 * ACROSS) {
        const int r = base + me % ACROSS, row = r / n, i = r % n;
        int before = 0;
        if (r < rows * n) {
            const real own = key(row, i);
#pragma unroll 4
            for (int j = me % 32 / ACROSS; j < n; j += GROUP) {
                const real other = key(row, j);
                before += other < own || (other == own && j < i);
            }
        }
        before = group_sum<GROUP, ACROSS>(before);
        if (r < rows * n && me % 32 < ACROSS) put(row, before, i);
    }
}

/* For each of n numbers: `first`, and what of `count` values goes there, added to it or, the last of them, in its place. */
template <int GROUP, bool ADD, class Has, class Within, class Take, class First, class Put>
INLINE void scatter(int me, int n, int count, Has has, Within within, Take take, First first, Put put) {
    constexpr int ACROSS = 32 / GROUP;
    for (int base = me / 32 * ACROSS; base < n; base += THREADS / 32 * ACROSS) {
        const int r = base + me % ACROSS;
        real sum = 0;
        int last = -1;
        if (r < n && within(r, 0))
            for (int q = me % 32 / ACROSS; q < count; q += GROUP)
                if (has(r, q)) {
                    if (ADD) sum += take(r, 0, q);
                    last = q;
                }
        if (ADD) sum = group_sum<GROUP, ACROSS>(sum);
        else
#pragma unroll
            for (int apart = ACROSS; apart < 32; apart *= 2) {
                const int other = __shfl_xor_sync(0xffffffffu, last, apart);
                last = other > last ? other : last;
            }
        if (r < n && me % 32 < ACROSS) put(r, 0, ADD ? first(r, 0) + sum : last < 0 ? first(r, 0) : take(r, 0, last));
    }
}

/* The same for n rows of `columns` numbers, all of a row's at the same place: a warp takes a row and searches once. */
template <bool ADD, class Has, class Within, class Take, class First, class Put>
INLINE void scatter_rows(int me, int n, int columns, int count, Has has, Within within, Take take, First first, Put put) {
    const int lane = me % 32;
    for (int r = me / 32; r < n; r += THREADS / 32)
        for (int c = lane; c - lane < columns; c += 32) {
            const bool inside = c < columns && within(r, c);
            real sum = 0;
            int last = -1;
            for (int base = 0; base < count; base += 32) {
                unsigned found = __ballot_sync(0xffffffffu, base + lane < count && has(r, base + lane));
                for (; found && inside; found &= found - 1) {
                    last = base + __ffs((int)found) - 1;
                    if (ADD) sum += take(r, c, last);
                }
            }
            if (c < columns) put(r, c, ADD ? first(r, c) + sum : last < 0 ? first(r, c) : take(r, c, last));
        }
}
