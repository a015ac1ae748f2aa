/* Vectors of the machine's width in the compilers' own vector types, and the functions of them that C lacks.
 *
 * MEMNETS_BYTES is a vector's width; with MEMNETS_DOUBLE numbers are doubles. Functions of vectors begin with v_, those
 * of single numbers with s_; both treat NaN, infinities and the ends of their range as C's own do. */
#ifndef MEMNETS_VECTOR_H
#define MEMNETS_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#include "scalar.h"

#if defined(__AVX512F__) && MEMNETS_BYTES == 64
#include <immintrin.h>
#if defined(__AVX512DQ__) && !defined(MEMNETS_DOUBLE)
#define AVX512_FLOATS
#endif
#endif

#ifdef MEMNETS_DOUBLE
typedef int64_t whole;
typedef uint64_t bits;
#define LANES (MEMNETS_BYTES / 8)
#define MANTISSA 52
#define EXPONENT_BIAS 1023
#define ROUND_TO_WHOLE 6755399441055744.0 /* 1.5 * 2^52: adding and subtracting it rounds */
#define EXP_LOWEST (-750.0)
#define EXP_HIGHEST 710.0
#define LEAST_NORMAL 2.2250738585072014e-308
#define LN2_HIGH 0.693145751953125
#define LN2_LOW 1.4286068203094172e-06
#define SQRT_HALF_BITS 0x3fe6a09e667f3bcdULL
#else
typedef int32_t whole;
typedef uint32_t bits;
#define LANES (MEMNETS_BYTES / 4)
#define MANTISSA 23
#define EXPONENT_BIAS 127
#define ROUND_TO_WHOLE 12582912.0f /* 1.5 * 2^23 */
#define EXP_LOWEST (-105.0f)
#define EXP_HIGHEST 89.0f
#define LEAST_NORMAL 1.17549435e-38f
#define LN2_HIGH 0.693145751953125f
#define LN2_LOW 1.4286068203094172e-06f
#define SQRT_HALF_BITS 0x3f3504f3U
#endif

typedef real vec __attribute__((vector_size(MEMNETS_BYTES), may_alias));
typedef real loose __attribute__((vector_size(MEMNETS_BYTES), aligned(sizeof(real)), may_alias));
typedef whole mask __attribute__((vector_size(MEMNETS_BYTES), may_alias));
typedef bits raw __attribute__((vector_size(MEMNETS_BYTES), may_alias));

INLINE i64 padded(i64 n) { return (n + LANES - 1) / LANES * LANES; }
INLINE vec splat(real x) { return x - (vec){0}; }
INLINE vec load(const real *p) { return *(const loose *)p; }
INLINE void store(real *p, vec x) { *(loose *)p = x; }
INLINE vec choose(mask m, vec yes, vec no) { return (vec)(((mask)yes & m) | ((mask)no & ~m)); }

/* The first n lanes, n < LANES; the others are zero, and not touched in memory. */
#if defined(__AVX512F__) && MEMNETS_BYTES == 64 && !defined(MEMNETS_DOUBLE)
INLINE vec load_some(const real *p, i64 n) { return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void store_some(real *p, vec x, i64 n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x); }
#elif defined(__AVX512F__) && MEMNETS_BYTES == 64
INLINE vec load_some(const real *p, i64 n) { return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p); }
INLINE void store_some(real *p, vec x, i64 n) { _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)x); }
#else
INLINE vec load_some(const real *p, i64 n) {
    vec x = {0};
    for (i64 i = 0; i < n; i++) x[i] = p[i];
    return x;
}
INLINE void store_some(real *p, vec x, i64 n) {
    for (i64 i = 0; i < n; i++) p[i] = x[i];
}
#endif
INLINE vec load_apart(const real *p, i64 step, i64 n) {
    vec x = {0};
    for (i64 i = 0; i < n; i++) x[i] = p[i * step];
    return x;
}
INLINE void store_apart(real *p, vec x, i64 step, i64 n) {
    for (i64 i = 0; i < n; i++) p[i * step] = x[i];
}

INLINE vec load_at(const real *p, vec index, i64 size, i64 step, i64 along, i64 n) {
    vec x = {0};
    for (i64 i = 0; i < n; i++) x[i] = p[i * along + s_place(index[i], size) * step];
    return x;
}

INLINE mask v_lt(vec a, vec b) { return a < b; }
INLINE mask v_le(vec a, vec b) { return a <= b; }
INLINE mask v_gt(vec a, vec b) { return a > b; }
INLINE mask v_ge(vec a, vec b) { return a >= b; }
INLINE mask v_eq(vec a, vec b) { return a == b; }
INLINE mask v_ne(vec a, vec b) { return a != b; }
INLINE vec v_bool(mask m) { return (vec)((mask)splat(R(1.0)) & m); }
INLINE vec v_abs(vec x) { return (vec)((mask)x & ~(mask)splat(R(-0.0))); }
INLINE vec v_maximum(vec a, vec b) {
#ifdef AVX512_FLOATS
    __m512 larger = _mm512_max_ps((__m512)b, (__m512)a); /* a where either is NaN */
    return (vec)_mm512_mask_mov_ps(larger, _mm512_cmp_ps_mask((__m512)b, (__m512)b, _CMP_UNORD_Q), (__m512)b);
#else
    return choose((a > b) | (a != a), a, b);
#endif
}
INLINE vec v_minimum(vec a, vec b) { return choose((a < b) | (a != a), a, b); }
INLINE vec v_relu(vec x) { return choose(x <= R(0.0), (vec){0}, x); }
INLINE vec v_sign(vec x) { return v_bool(x > R(0.0)) - v_bool(x < R(0.0)); }

/* Division and roots of floats where they are slow: an estimate and a step of Newton's, which ends within a unit or two
 * of the last place. The ends of the range come out as C's own, but for divisors above 8e37, which count as infinite. */
#ifdef AVX512_FLOATS
INLINE __mmask16 ordered(__m512 x) { return _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q); }
INLINE vec inverse(vec x) {
    __m512 b = (__m512)x, r = _mm512_rcp14_ps(b), e = _mm512_fnmadd_ps(b, r, _mm512_set1_ps(1.0f));
    return (vec)_mm512_mask_fmadd_ps(r, ordered(e), e, r);
}
INLINE vec v_div(vec a, vec b) { return a * inverse(b); }
INLINE vec v_rsqrt(vec x) {
    __m512 r = _mm512_rsqrt14_ps((__m512)x), root = _mm512_mul_ps((__m512)x, r);
    __m512 e = _mm512_fnmadd_ps(root, r, _mm512_set1_ps(1.0f));
    return (vec)_mm512_mask_fmadd_ps(r, ordered(e), _mm512_mul_ps(e, _mm512_set1_ps(0.5f)), r);
}
INLINE vec v_sqrt(vec x) {
    __m512 r = _mm512_rsqrt14_ps((__m512)x), root = _mm512_mul_ps((__m512)x, r);
    __m512 e = _mm512_fnmadd_ps(root, r, _mm512_set1_ps(1.0f));
    root = _mm512_fmadd_ps(_mm512_mul_ps(root, _mm512_set1_ps(0.5f)), e, root);
    const int itself = 0x0e; /* the zeros and positive infinity */
    return (vec)_mm512_mask_mov_ps(root, _mm512_fpclass_ps_mask((__m512)x, itself), (__m512)x);
}
#else
INLINE vec inverse(vec x) { return R(1.0) / x; }
INLINE vec v_div(vec a, vec b) { return a / b; }
INLINE vec v_sqrt(vec x) {
#if defined(__AVX512F__) && MEMNETS_BYTES == 64 && defined(MEMNETS_DOUBLE)
    return (vec)_mm512_sqrt_pd((__m512d)x);
#else
    for (int i = 0; i < LANES; i++) x[i] = C(sqrt)(x[i]);
    return x;
#endif
}
INLINE vec v_rsqrt(vec x) { return R(1.0) / v_sqrt(x); }
#endif

/* x within two bounds, NaN as it is. */
INLINE vec v_clamp(vec x, real low, real high) {
#ifdef AVX512_FLOATS
    return (vec)_mm512_min_ps((__m512)splat(high), _mm512_max_ps((__m512)splat(low), (__m512)x));
#else
    return choose(x < low, splat(low), choose(x > high, splat(high), x));
#endif
}

/* x 2^n for whole n, in two factors, so that the ends of the range come out. */
INLINE vec v_scale(vec x, vec n) {
#ifdef AVX512_FLOATS
    return (vec)_mm512_scalef_ps((__m512)x, (__m512)n);
#else
    mask e = __builtin_convertvector(n, mask), half = e >> 1;
    raw first = ((raw)half + EXPONENT_BIAS) << MANTISSA, second = ((raw)e - (raw)half + EXPONENT_BIAS) << MANTISSA;
    return x * (vec)first * (vec)second;
#endif
}

/* x as n ln(2) + r with n whole and |r| <= ln(2) / 2; *rest = e^r - 1, by its series (of floats the polynomial that is
 * nearest to it there). */
INLINE vec split_exponent(vec x, vec *rest) {
    vec n = x * R(1.4426950408889634) + ROUND_TO_WHOLE;
    n -= ROUND_TO_WHOLE;
    vec r = x - n * LN2_HIGH;
    r -= n * LN2_LOW;
#ifdef MEMNETS_DOUBLE
    vec p = splat(1.0 / 6227020800.0);
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
#else
    vec p = splat(0.0013948643f);
    p = p * r + 0.0083691866f;
    p = p * r + 0.04166624f;
    p = p * r + 0.16666505f;
#endif
    p = p * r + R(0.5);
    p = p * r + R(1.0);
    *rest = r * p;
    return n;
}

INLINE vec v_exp(vec x) {
    vec rest, n = split_exponent(v_clamp(x, EXP_LOWEST, EXP_HIGHEST), &rest);
    return v_scale(rest + R(1.0), n);
}

/* x = 2^e m with m within [sqrt(1/2), sqrt(2)); log m = 2 artanh((m - 1) / (m + 1)), of floats the polynomial that is
 * nearest to it, with t = m - 1. */
INLINE vec v_log(vec x) {
    raw b = (raw)x;
    mask e = (mask)(b - SQRT_HALF_BITS) >> MANTISSA;
    vec m = (vec)(b - ((raw)e << MANTISSA)), t = m - R(1.0);
#ifdef MEMNETS_DOUBLE
    vec s = t / (m + 1.0), q = s * s;
    vec p = splat(1.0 / 23.0);
    p = p * q + 1.0 / 21.0;
    p = p * q + 1.0 / 19.0;
    p = p * q + 1.0 / 17.0;
    p = p * q + 1.0 / 15.0;
    p = p * q + 1.0 / 13.0;
    p = p * q + 1.0 / 11.0;
    p = p * q + 1.0 / 9.0;
    p = p * q + 1.0 / 7.0;
    p = p * q + 1.0 / 5.0;
    p = p * q + 1.0 / 3.0;
    vec log_m = 2.0 * (s + s * q * p);
#else
    vec p = splat(-0.076344965f);
    p = p * t + 0.12761577f;
    p = p * t + -0.13160182f;
    p = p * t + 0.14201758f;
    p = p * t + -0.16623357f;
    p = p * t + 0.20001227f;
    p = p * t + -0.25000821f;
    p = p * t + 0.33333332f;
    p = p * t + -0.5f;
    vec log_m = t * t * p + t;
#endif
    vec power = __builtin_convertvector(e, vec);
    vec y = power * LN2_HIGH + (log_m + power * LN2_LOW);
    vec low = choose(x < R(0.0), splat((real)NAN), splat(-(real)INFINITY));
    y = choose(x < LEAST_NORMAL, low, y);
    return choose((x == (real)INFINITY) | (x != x), x, y);
}

INLINE vec v_log1p(vec x) {
    vec u = x + R(1.0), d = u - R(1.0);
    vec y = v_log(u) * (x / d);
    return choose((d == R(0.0)) | (x == (real)INFINITY), x, y);
}

INLINE vec v_sigmoid(vec x) { return inverse(v_exp(-x) + R(1.0)); }

INLINE vec v_softplus(vec x) {
    vec y = v_log1p(v_exp(-v_abs(x)));
    return choose(x > R(20.0), x, choose(x < R(0.0), y, x + y));
}

/* u / (u + 2) with u = e^(2x) - 1, in which nothing cancels near 0; beyond the bound it is 1 to the last place. */
INLINE vec v_tanh(vec x) {
    const real bound = R(40.0);
    vec rest, n = split_exponent(v_clamp(R(2.0) * x, -bound, bound), &rest);
    vec power = v_scale(splat(R(1.0)), n), u = power * rest + (power - R(1.0));
    return v_div(u, u + R(2.0));
}

INLINE vec v_expm1(vec x) {
    vec rest, n = split_exponent(v_clamp(x, EXP_LOWEST, EXP_HIGHEST), &rest);
    return choose(n == R(0.0), rest, v_scale(rest + R(1.0), n) - R(1.0));
}

#define EACH_LANE(name)                                          \
    INLINE vec v_##name(vec x) {                                 \
        for (int i = 0; i < LANES; i++) x[i] = s_##name(x[i]);   \
        return x;                                                \
    }
EACH_LANE(sin)
EACH_LANE(cos)
EACH_LANE(erf)
EACH_LANE(floor)
EACH_LANE(ceil)
EACH_LANE(round)
EACH_LANE(trunc)
INLINE vec v_pow(vec x, vec p) {
    for (int i = 0; i < LANES; i++) x[i] = s_pow(x[i], p[i]);
    return x;
}

#ifdef __clang__
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif
#define KEEP(i, s) ((i) & (s) ? LANES + (i) : (i))
#define SWAP(i, s) ((i) & (s) ? LANES + ((i) ^ (s)) : ((i) ^ (s)))
#if LANES == 16
#define EACH(f, s) f(0, s), f(1, s), f(2, s), f(3, s), f(4, s), f(5, s), f(6, s), f(7, s), f(8, s), f(9, s), \
    f(10, s), f(11, s), f(12, s), f(13, s), f(14, s), f(15, s)
#elif LANES == 8
#define EACH(f, s) f(0, s), f(1, s), f(2, s), f(3, s), f(4, s), f(5, s), f(6, s), f(7, s)
#elif LANES == 4
#define EACH(f, s) f(0, s), f(1, s), f(2, s), f(3, s)
#else
#define EACH(f, s) f(0, s), f(1, s)
#endif
/* Halves the number of lanes that are still to be summed: lanes with bit s come from b, the others from a. */
#define FOLD(a, b, s) (SHUFFLE(a, b, EACH(KEEP, s)) + SHUFFLE(a, b, EACH(SWAP, s)))

INLINE real fold_sum(vec x) {
    x = FOLD(x, x, 1);
#if LANES >= 4
    x = FOLD(x, x, 2);
#endif
#if LANES >= 8
    x = FOLD(x, x, 4);
#endif
#if LANES >= 16
    x = FOLD(x, x, 8);
#endif
    return x[0];
}

INLINE real fold_max(vec x) {
    x = v_maximum(x, SHUFFLE(x, x, EACH(SWAP, 1)));
#if LANES >= 4
    x = v_maximum(x, SHUFFLE(x, x, EACH(SWAP, 2)));
#endif
#if LANES >= 8
    x = v_maximum(x, SHUFFLE(x, x, EACH(SWAP, 4)));
#endif
#if LANES >= 16
    x = v_maximum(x, SHUFFLE(x, x, EACH(SWAP, 8)));
#endif
    return x[0];
}

#define UPPER(i, s) ((i) & (s) ? LANES + ((i) ^ (s)) : (i))
#define LOWER(i, s) ((i) & (s) ? LANES + (i) : ((i) ^ (s)))
#define SWAP_BLOCKS(s)                                                                                        \
    for (int i = 0; i < LANES; i++)                                                                           \
        if (!(i & (s))) {                                                                                     \
            vec a = t[i], b = t[i | (s)];                                                                     \
            t[i] = SHUFFLE(a, b, EACH(UPPER, s)), t[i | (s)] = SHUFFLE(a, b, EACH(LOWER, s));                 \
        }

/* A square of LANES vectors, turned. */
INLINE void transpose(vec *t) {
    SWAP_BLOCKS(1)
#if LANES >= 4
    SWAP_BLOCKS(2)
#endif
#if LANES >= 8
    SWAP_BLOCKS(4)
#endif
#if LANES >= 16
    SWAP_BLOCKS(8)
#endif
}

/* out[i * step] = sum of the lanes of rows[i], LANES of them at a time; rows has room for whole groups. */
static inline void sum_rows(const vec *rows, i64 n, real *out, i64 step) {
    for (i64 first = 0; first < n; first += LANES) {
        vec t[LANES];
        for (int i = 0; i < LANES; i += 2) t[i] = FOLD(rows[first + i], rows[first + i + 1], 1);
#if LANES >= 4
        for (int i = 0; i < LANES; i += 4) t[i] = FOLD(t[i], t[i + 2], 2);
#endif
#if LANES >= 8
        for (int i = 0; i < LANES; i += 8) t[i] = FOLD(t[i], t[i + 4], 4);
#endif
#if LANES >= 16
        t[0] = FOLD(t[0], t[8], 8);
#endif
        i64 left = n - first;
        if (step != 1) store_apart(out + first * step, t[0], step, left < LANES ? left : LANES);
        else if (left < LANES) store_some(out + first, t[0], left);
        else store(out + first, t[0]);
    }
}

/* The order of n numbers, equal ones as they stand; NaN counts as the largest. Each number's place is how many come
 * before it, counted for a vector of numbers at once; beyond a few hundred they are merged instead. */
static inline void sort_row(i64 n, const real *x, real *order, real *room, int descending) {
    real *key = room;
    for (i64 i = 0; i < n; i++) {
        real k = x[i] != x[i] ? (real)INFINITY : x[i];
        key[i] = descending ? -k : k;
    }
    if (n <= 512) {
        for (i64 i = n; i < padded(n); i++) key[i] = (real)INFINITY;
        for (i64 i = 0; i < n; i += LANES) {
            vec own = load(key + i), count = {0}, at = {0};
            for (int l = 0; l < LANES; l++) at[l] = (real)(i + l);
            for (i64 j = 0; j < n; j++) {
                vec other = splat(key[j]);
                count += v_bool((other < own) | ((other == own) & (splat((real)j) < at)));
            }
            for (i64 l = 0; l < LANES && i + l < n; l++) order[(i64)count[l]] = (real)(i + l);
        }
        return;
    }
    real *from = order, *to = room + padded(n);
    for (i64 i = 0; i < n; i++) from[i] = (real)i;
    for (i64 width = 1; width < n; width *= 2) {
        for (i64 low = 0; low < n; low += 2 * width) {
            i64 middle = low + width < n ? low + width : n, high = low + 2 * width < n ? low + 2 * width : n;
            i64 a = low, b = middle, k = low;
            while (k < high) {
                int left = a < middle && (b >= high || key[(i64)from[a]] <= key[(i64)from[b]]);
                to[k++] = left ? from[a++] : from[b++];
            }
        }
        real *swap = from;
        from = to, to = swap;
    }
    if (from != order) memcpy(order, from, sizeof(real) * n);
}

#endif
