// CUDA's blocks on the CPU, for tests: warps take turns, and the threads of a warp, each running as far as it comes before
// the next. `order` says who goes first: a barrier that is missing makes results differ between orders.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <functional>
#include <vector>

#define INLINE static inline
#define __global__
#define __device__
#define __launch_bounds__(n)
#define SHARED real *const room = (real *)emulated::shared

namespace emulated {
struct Index {
    unsigned x;
};
struct Warp {
    unsigned long long numbers[2][32];
};
static void *shared; /* of the size that was asked for, so that AddressSanitizer sees what lies behind it */
static size_t shared_size;
static std::vector<Warp> warps;
static Index grid;
}  // namespace emulated
#define gridDim emulated::grid

#include <ucontext.h>

namespace emulated {
enum Waits { NOT, BLOCK, WARP, DONE };
struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    Waits waits;
    unsigned shuffles;
    std::vector<std::function<void()>> fetches;
};
static Index thread, block;
static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static const std::function<void()> *body;
static void wait(Waits what) {
    const unsigned own = thread.x;
    fibers[own].waits = what;
    swapcontext(&fibers[own].context, &scheduler);
}
static void barrier() { wait(BLOCK); }
static void warp_barrier() { wait(WARP); }
static void start() {
    (*body)();
    wait(DONE);
}
static int count(int first, int threads, Waits what) {
    int n = 0;
    for (int t = first; t < first + threads; t++) n += fibers[t].waits == what;
    return n;
}
static void stop(const char *why) {
    fprintf(stderr, "%s\n", why);
    abort();
}
static void run_warp(int first, int order) { /* as far as it comes, before any other */
    do {
        for (int n = 0; n < 32; n++) {
            thread.x = first + (order ? 31 - n : n);
            if (fibers[thread.x].waits == NOT) swapcontext(&scheduler, &fibers[thread.x].context);
        }
        const int waiting = count(first, 32, WARP);
        if (waiting && waiting < 32) stop("some threads of a warp wait for the others, which do not come");
        for (int t = first; waiting && t < first + 32; t++) fibers[t].waits = NOT;
    } while (count(first, 32, NOT));
}
static void run(int blocks, int threads, int order, const std::function<void()> &kernel) {
    body = &kernel;
    fibers.resize(threads);
    for (block.x = 0; (int)block.x < blocks; block.x++) {
        memset(shared, 0xff, shared_size);  // NaN
        for (auto &fiber : fibers) {
            fiber.stack.resize(1 << 17), fiber.waits = NOT, fiber.shuffles = 0;
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.data(), fiber.context.uc_stack.ss_size = fiber.stack.size();
            makecontext(&fiber.context, start, 0);
        }
        while (count(0, threads, DONE) < threads) {
            for (int n = 0; n < threads; n += 32) run_warp(order ? threads - 32 - n : n, order);
            const int waiting = count(0, threads, BLOCK);
            if (waiting && waiting < threads) stop("some threads of a block wait at a barrier, and others have ended");
            for (auto &fiber : fibers)
                if (waiting) fiber.waits = NOT;
        }
    }
}
}  // namespace emulated
#define threadIdx emulated::thread
#define blockIdx emulated::block

static void __syncthreads() { emulated::barrier(); }
static void __syncwarp() { emulated::warp_barrier(); }

template <class Number> static Number of_lane(Number x, int lane) {
    using namespace emulated;
    const unsigned turn = fibers[thread.x].shuffles++ % 2;
    Warp &warp = warps[thread.x / 32];
    memcpy(&warp.numbers[turn][thread.x % 32], &x, sizeof x);
    warp_barrier();
    memcpy(&x, &warp.numbers[turn][lane], sizeof x);
    return x;
}
template <class Number> static Number __shfl_xor_sync(unsigned, Number x, int apart) {
    return of_lane(x, (int)(threadIdx.x % 32) ^ apart);
}
template <class Number> static Number __shfl_up_sync(unsigned, Number x, int apart) {
    const int lane = threadIdx.x % 32;
    return of_lane(x, lane < apart ? lane : lane - apart);
}

static unsigned __ballot_sync(unsigned, bool one) {
    using namespace emulated;
    const unsigned turn = fibers[thread.x].shuffles % 2;
    of_lane((unsigned long long)one, 0);
    unsigned all = 0;
    for (int lane = 0; lane < 32; lane++) all |= (unsigned)warps[thread.x / 32].numbers[turn][lane] << lane;
    return all;
}
static int __ffs(int x) { return __builtin_ffs(x); }

// What is fetched arrives at the wait, and until then there is no number.
template <class Number> static void fetch_one(Number *to, const Number *from) {
    const Number number = *from;
    memset(to, 0xff, sizeof number);
    emulated::fibers[threadIdx.x].fetches.push_back([=] { *to = number; });
}
static void fetched() {
    auto &fetches = emulated::fibers[threadIdx.x].fetches;
    for (auto &arrives : fetches) arrives();
    fetches.clear();
}

#define EMULATED_KERNELS                                                                                              \
    extern "C" size_t emulated_arguments() { return sizeof(Args) / 8; }                                               \
    extern "C" void emulated_launch(const char *name, int blocks, int bytes, int order, const void *given) {          \
        const Args &a = *(const Args *)given;                                                                         \
        free(emulated::shared);                                                                                       \
        emulated::shared = malloc(emulated::shared_size = bytes);                                                     \
        emulated::warps.resize(THREADS / 32);                                                                         \
        emulated::grid.x = blocks;                                                                                    \
        const struct {                                                                                                \
            const char *name;                                                                                         \
            void (*kernel)(const Args);                                                                               \
        } all[] = {{"memnets_forward", memnets_forward},                                                              \
                   {"memnets_backward", memnets_backward},                                                            \
                   {"memnets_pack_forward", memnets_pack_forward},                                                    \
                   {"memnets_pack_backward", memnets_pack_backward}};                                                 \
        for (auto &one : all)                                                                                         \
            if (!strcmp(one.name, name)) emulated::run(blocks, THREADS, order, [&] { one.kernel(a); });               \
    }
