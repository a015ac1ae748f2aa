/* Numbers, and functions of single ones, in C and in CUDA; with MEMNETS_DOUBLE numbers are doubles.
 *
 * NaN, infinities and the ends of their range are treated as C's own functions treat them. */
#ifndef MEMNETS_SCALAR_H
#define MEMNETS_SCALAR_H

typedef long long i64;
#ifdef MEMNETS_DOUBLE
typedef double real;
#define R(x) x
#define C(name) name
#else
typedef float real;
#define R(x) x##f
#define C(name) name##f
#endif

INLINE real s_sin(real x) { return C(sin)(x); }
INLINE real s_cos(real x) { return C(cos)(x); }
INLINE real s_erf(real x) { return C(erf)(x); }
INLINE real s_floor(real x) { return C(floor)(x); }
INLINE real s_ceil(real x) { return C(ceil)(x); }
INLINE real s_round(real x) { return C(rint)(x); }
INLINE real s_trunc(real x) { return C(trunc)(x); }
INLINE real s_pow(real x, real p) { return C(pow)(x, p); }
INLINE real s_exp(real x) { return C(exp)(x); }
INLINE real s_log(real x) { return C(log)(x); }
INLINE real s_log1p(real x) { return C(log1p)(x); }
INLINE real s_expm1(real x) { return C(expm1)(x); }
INLINE real s_sqrt(real x) { return C(sqrt)(x); }
INLINE real s_rsqrt(real x) { return R(1.0) / C(sqrt)(x); }
INLINE real s_tanh(real x) { return C(tanh)(x); }
INLINE real s_abs(real x) { return C(fabs)(x); }
INLINE real s_sigmoid(real x) { return R(1.0) / (R(1.0) + s_exp(-x)); }
INLINE real s_softplus(real x) { return x > R(20.0) ? x : s_log1p(s_exp(-s_abs(x))) + (x < R(0.0) ? R(0.0) : x); }
INLINE real s_relu(real x) { return x <= 0 ? 0 : x; }
INLINE real s_sign(real x) { return (real)((x > 0) - (x < 0)); }
INLINE real s_maximum(real a, real b) { return a > b || a != a ? a : b; }
INLINE real s_minimum(real a, real b) { return a < b || a != a ? a : b; }

/* Where a gather or scatter goes: a whole number within 0..n-1, whatever x is. */
INLINE i64 s_place(real x, i64 n) { return x > R(0.0) ? (x < (real)n ? (i64)x : n - 1) : 0; }

#endif
