/* Where a head looks: Graves et al. 2014, equations 5 to 9, forward and backward, for one head of one sample.
 *
 * Arrays over slots have `across` entries, a multiple of LANES; those past `slots` are kept at zero. */
#ifndef MEMNETS_ADDRESSING_H
#define MEMNETS_ADDRESSING_H

#include "vector.h"

#define NORM_EPSILON R(1e-6)
#define LOG_EPSILON R(1e-16)
#define NOTHING R(-3e38)

typedef struct {
    i64 slots, across, shifts, reach, margin; /* reach = shifts / 2; margin = padded(reach) */
} Slots;

/* What a head was told at one step, after activation. */
typedef struct {
    real strength, gate, sharpening; /* beta, g, gamma */
    const real *shift;               /* s (shifts) */
} Told;

/* All ones in the lanes of the vector at `first` that are slots. */
INLINE mask real_slots(const Slots *s, i64 first) {
    mask lane = {EACH(KEEP, 0)};
    return lane < (whole)(s->slots - first < LANES ? s->slots - first : LANES);
}

/* x = softmax(x) over slots; entries past the last become zero. */
static inline void softmax(const Slots *s, real *x) {
    i64 last = s->across - LANES;
    store(x + last, choose(real_slots(s, last), load(x + last), splat(NOTHING)));
    vec top = load(x);
    for (i64 n = LANES; n < s->across; n += LANES) top = larger(load(x + n), top);
    real most = largest(top);
    vec total = {0};
    for (i64 n = 0; n < s->across; n += LANES) {
        vec e = vector_exp(load(x + n) - most);
        total += e;
        store(x + n, e);
    }
    real scale = R(1.0) / sum(total);
    for (i64 n = 0; n < s->across; n += LANES) store(x + n, load(x + n) * scale);
}

/* Equation 5. The content weighting softmax(beta * cosine) of a head. */
static inline void content(const Slots *s, const real *cosine, real strength, real *out) {
    for (i64 n = 0; n < s->across; n += LANES) store(out + n, strength * load(cosine + n));
    softmax(s, out);
}

/* Repeats the ends of ring[0 .. slots) on either side of it, as far as shifts reach, around and around. */
static inline void close_ring(const Slots *s, real *ring) {
    i64 n = s->slots;
    for (i64 i = 0; i < s->reach; i++) {
        ring[-1 - i] = i < n ? ring[n - 1 - i] : ring[n - 1 - i % n];
        ring[n + i] = i < n ? ring[i] : ring[i % n];
    }
}

/* Equation 7: w^g = g w^c + (1 - g) w_(t-1), as a closed ring. */
static inline void interpolate(const Slots *s, const real *content, const real *prev, real gate, real *ring) {
    for (i64 n = 0; n < s->across; n += LANES)
        store(ring + n, gate * load(content + n) + (R(1.0) - gate) * load(prev + n));
    close_ring(s, ring);
}

/* Equation 8: w~(i) = sum_k s(k) w^g(i - k + reach). */
INLINE vec shifted(const Slots *s, const real *ring, const real *shift, i64 n) {
    if (s->shifts == 3)
        return shift[0] * load(ring + n + 1) + shift[1] * load(ring + n) + shift[2] * load(ring + n - 1);
    vec x = {0};
    for (i64 k = 0; k < s->shifts; k++) x += shift[k] * load(ring + n + s->reach - k);
    return x;
}

/* Its transpose: x(j) = sum_k s(k) y(j + k - reach). */
INLINE vec shifted_back(const Slots *s, const real *ring, const real *shift, i64 n) {
    if (s->shifts == 3)
        return shift[0] * load(ring + n - 1) + shift[1] * load(ring + n) + shift[2] * load(ring + n + 1);
    vec x = {0};
    for (i64 k = 0; k < s->shifts; k++) x += shift[k] * load(ring + n + k - s->reach);
    return x;
}

/* Equations 5 to 9: out may be prev. ring has `margin` entries before it and room for across + margin after. */
static void address(const Slots *s, const Told *told, const real *cosine, const real *prev, real *out, real *content_,
                    real *ring) {
    content(s, cosine, told->strength, content_);
    interpolate(s, content_, prev, told->gate, ring);
    for (i64 n = 0; n < s->across; n += LANES) /* (9): w = softmax(gamma log w~) */
        store(out + n, told->sharpening * vector_log(shifted(s, ring, told->shift, n) + LOG_EPSILON));
    softmax(s, out);
}

/* The gradients of a head's told values, before they pass its activations. */
typedef struct {
    real strength, gate, sharpening;
    real *shift;
} ToldGrad;

/* The way back. grad: of the weighting w, becomes that of prev; d_cosine: that of the cosine. two rings as above. */
static void address_backward(const Slots *s, const Told *told, const real *cosine, const real *prev,
                             const real *weights, real *grad, real *d_cosine, ToldGrad *d, real *content_, real *ring,
                             real *d_ring) {
    content(s, cosine, told->strength, content_);
    interpolate(s, content_, prev, told->gate, ring);
    vec along = {0};
    for (i64 n = 0; n < s->across; n += LANES) along += load(grad + n) * load(weights + n);
    real mean = sum(along);
    vec d_sharpening = {0};
    i64 last = s->across - LANES;
    for (i64 n = 0; n < s->across; n += LANES) { /* (9) */
        vec w = shifted(s, ring, told->shift, n) + LOG_EPSILON;
        vec d_logit = load(weights + n) * (load(grad + n) - mean);
        if (n == last) { /* nothing past the last slot */
            mask valid = real_slots(s, n);
            w = choose(valid, w, splat(R(1.0)));
            d_logit = (vec)((mask)d_logit & valid);
        }
        d_sharpening += d_logit * vector_log(w);
        store(d_ring + n, told->sharpening * d_logit / w);
    }
    d->sharpening = sum(d_sharpening);
    for (i64 k = 0; k < s->shifts; k++) { /* (8) */
        vec total = {0};
        for (i64 n = 0; n < s->across; n += LANES) {
            vec source = load(ring + n + s->reach - k);
            if (n == last) source = (vec)((mask)source & real_slots(s, n));
            total += load(d_ring + n) * source;
        }
        d->shift[k] = sum(total);
    }
    close_ring(s, d_ring);
    vec d_gate = {0}, mean_content = {0};
    for (i64 n = 0; n < s->across; n += LANES) { /* (7) */
        vec x = shifted_back(s, d_ring, told->shift, n);
        if (n == last) x = (vec)((mask)x & real_slots(s, n));
        vec c = load(content_ + n);
        d_gate += x * (c - load(prev + n));
        store(grad + n, x * (R(1.0) - told->gate));
        x *= told->gate;
        mean_content += x * c;
        store(d_cosine + n, x);
    }
    d->gate = sum(d_gate);
    mean = sum(mean_content);
    vec d_strength = {0};
    for (i64 n = 0; n < s->across; n += LANES) { /* (5) */
        vec d_logit = load(content_ + n) * (load(d_cosine + n) - mean);
        d_strength += d_logit * load(cosine + n);
        store(d_cosine + n, d_logit * told->strength);
    }
    d->strength = sum(d_strength);
}

#endif
