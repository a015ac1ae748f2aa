/* Vectors of the machine's width, in the compilers' own vector types, and the functions of them that C lacks.
 *
 * REAL is float or double. LANES numbers fill a vector; arrays over slots are padded to a multiple of LANES. */
#ifndef MEMNETS_VECTOR_H
#define MEMNETS_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) && defined(__AVX512VL__)
#define BYTES 64
#include <immintrin.h>
#elif defined(__AVX2__)
#define BYTES 32
#else
#define BYTES 16
#endif

#ifdef MEMNETS_DOUBLE
typedef double real;
typedef int64_t whole;
#define LANES (BYTES / 8)
#define R(x) x
#define MANTISSA 52
#define EXPONENT_BIAS 1023
#define ROUND_TO_WHOLE 6755399441055744.0 /* 1.5 * 2^52: adding and subtracting it rounds */
#define EXP_LOWEST (-708.0)
#define LN2_HIGH 0.693145751953125
#define LN2_LOW 1.4286068203094172e-06
#define SQRT_HALF_BITS 0x3fe6a09e667f3bcdLL
#define real_sqrt sqrt
#define real_exp exp
#define real_expm1 expm1
#define real_log1p log1p
#else
typedef float real;
typedef int32_t whole;
#define LANES (BYTES / 4)
#define R(x) x##f
#define MANTISSA 23
#define EXPONENT_BIAS 127
#define ROUND_TO_WHOLE 12582912.0f /* 1.5 * 2^23 */
#define EXP_LOWEST (-87.0f)
#define LN2_HIGH 0.693145751953125f
#define LN2_LOW 1.4286068203094172e-06f
#define SQRT_HALF_BITS 0x3f3504f3
#define real_sqrt sqrtf
#define real_exp expf
#define real_expm1 expm1f
#define real_log1p log1pf
#endif

typedef int64_t i64;
typedef real vec __attribute__((vector_size(BYTES), may_alias));
typedef real loose __attribute__((vector_size(BYTES), aligned(sizeof(real)), may_alias));
typedef whole mask __attribute__((vector_size(BYTES), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE i64 padded(i64 n) { return (n + LANES - 1) / LANES * LANES; }
INLINE vec splat(real x) { return x - (vec){0}; }
INLINE vec load(const real *p) { return *(const loose *)p; }
INLINE void store(real *p, vec x) { *(loose *)p = x; }
INLINE vec choose(mask m, vec yes, vec no) { return (vec)(((mask)yes & m) | ((mask)no & ~m)); }
INLINE vec absolute(vec x) { return (vec)((mask)x & ~((mask)splat(R(-0.0)))); }

/* The first n lanes (n < LANES: the others are zero and not touched in memory). */
#if BYTES == 64 && !defined(MEMNETS_DOUBLE)
INLINE vec load_some(const real *p, i64 n) {
    return n >= LANES ? load(p) : (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
INLINE void store_some(real *p, vec x, i64 n) {
    if (n >= LANES) store(p, x);
    else _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x);
}
#else
INLINE vec load_some(const real *p, i64 n) {
    if (n >= LANES) return load(p);
    vec x = {0};
    for (i64 i = 0; i < n; i++) x[i] = p[i];
    return x;
}
INLINE void store_some(real *p, vec x, i64 n) {
    if (n >= LANES) store(p, x);
    else
        for (i64 i = 0; i < n; i++) p[i] = x[i];
}
#endif

INLINE vec vector_sqrt(vec x) {
#if BYTES == 64 && !defined(MEMNETS_DOUBLE)
    return (vec)_mm512_sqrt_ps((__m512)x);
#elif BYTES == 64
    return (vec)_mm512_sqrt_pd((__m512d)x);
#else
    for (int i = 0; i < LANES; i++) x[i] = real_sqrt(x[i]);
    return x;
#endif
}

/* e^x for x <= 0 (NaN stays NaN): 2^n * e^r with |r| <= ln(2) / 2, e^r by its series. */
INLINE vec vector_exp(vec x) {
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
#else
    vec p = splat(1.0f / 5040.0f);
#endif
    p = p * r + R(1.0) / R(720.0);
    p = p * r + R(1.0) / R(120.0);
    p = p * r + R(1.0) / R(24.0);
    p = p * r + R(1.0) / R(6.0);
    p = p * r + R(0.5);
    p = p * r + R(1.0);
    p = p * r + R(1.0);
    mask power = (__builtin_convertvector(n, mask) + EXPONENT_BIAS) << MANTISSA;
    return (vec)((mask)(p * (vec)power) & ~(mask)(x < EXP_LOWEST));
}

/* log x for normal x > 0 (NaN stays NaN): x = 2^e m with m within [sqrt(1/2), sqrt(2)), log m = 2 artanh(s). */
INLINE vec vector_log(vec x) {
    mask bits = (mask)x;
    mask e = (bits - SQRT_HALF_BITS) >> MANTISSA;
    vec m = (vec)(bits - (e << MANTISSA));
    vec s = (m - R(1.0)) / (m + R(1.0)), q = s * s;
#ifdef MEMNETS_DOUBLE
    vec p = splat(1.0 / 23.0);
    p = p * q + 1.0 / 21.0;
    p = p * q + 1.0 / 19.0;
    p = p * q + 1.0 / 17.0;
    p = p * q + 1.0 / 15.0;
    p = p * q + 1.0 / 13.0;
    p = p * q + 1.0 / 11.0;
#else
    vec p = splat(1.0f / 11.0f);
#endif
    p = p * q + R(1.0) / R(9.0);
    p = p * q + R(1.0) / R(7.0);
    p = p * q + R(1.0) / R(5.0);
    p = p * q + R(1.0) / R(3.0);
    vec power = __builtin_convertvector(e, vec);
    vec log_m = R(2.0) * (s + s * q * p);
    return power * LN2_HIGH + (log_m + power * LN2_LOW) + (x - x);
}

INLINE vec vector_sigmoid(vec x) {
    vec z = vector_exp(-absolute(x));
    return choose((mask)(x < R(0.0)), z, splat(R(1.0))) / (z + R(1.0));
}

/* Lambert's fraction below 1/2, where 1 - e^(-2x) would cancel. */
INLINE vec vector_tanh(vec x) {
    vec y = absolute(x), q = x * x, z = vector_exp(R(-2.0) * y);
    vec small_top = y * (((q + R(378.0)) * q + R(17325.0)) * q + R(135135.0));
    vec small_bottom = ((R(28.0) * q + R(3150.0)) * q + R(62370.0)) * q + R(135135.0);
    mask small = (mask)(y < R(0.5));
    vec result = choose(small, small_top, R(1.0) - z) / choose(small, small_bottom, R(1.0) + z);
    return (vec)((mask)result | ((mask)x & (mask)splat(R(-0.0))));
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

INLINE real sum(vec x) {
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

INLINE vec larger(vec a, vec b) { return choose((mask)(a > b), a, b); }

INLINE real largest(vec x) {
    x = larger(x, SHUFFLE(x, x, EACH(SWAP, 1)));
#if LANES >= 4
    x = larger(x, SHUFFLE(x, x, EACH(SWAP, 2)));
#endif
#if LANES >= 8
    x = larger(x, SHUFFLE(x, x, EACH(SWAP, 4)));
#endif
#if LANES >= 16
    x = larger(x, SHUFFLE(x, x, EACH(SWAP, 8)));
#endif
    return x[0];
}

/* out[i] = sum of the lanes of rows[i], for n rows, LANES of them at a time; rows is padded to whole groups. */
static inline void sum_rows(const vec *rows, i64 n, real *out) {
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
        store_some(out + first, t[0], n - first);
    }
}

#endif
