/* What NVIDIA's runtime compiler has under other names than C. */
#ifdef __CUDACC_RTC__
#define INLINE static __device__ __forceinline__
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#define SHARED extern __shared__ __align__(16) unsigned char shared_bytes[]; real *const room = (real *)shared_bytes
#endif
