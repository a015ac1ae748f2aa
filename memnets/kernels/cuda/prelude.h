/* What NVIDIA's runtime compiler has under other names than C. */
#ifdef __CUDACC_RTC__
#define INLINE static __device__ __forceinline__
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#define SHARED extern __shared__ __align__(16) unsigned char shared_bytes[]; real *const room = (real *)shared_bytes

/* Copies a number into shared memory, there once the thread has called fetched(), without waiting where the device can. */
template <class Number> INLINE void fetch_one(Number *to, const Number *from) {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"((unsigned)__cvta_generic_to_shared(to)),
                 "l"(__cvta_generic_to_global(from)), "n"((int)sizeof(Number)) : "memory");
#else
    *to = *from;
#endif
}

INLINE void fetched() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" ::: "memory");
#endif
}
#endif
