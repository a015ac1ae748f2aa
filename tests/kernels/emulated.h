// CUDA's blocks on the CPU, for tests: the threads of a block take turns, each running until it meets a barrier or wants
// a number of its warp. `order` says who goes first: a barrier that is missing makes results differ between orders.
// With EMULATED_THREADS they are threads of the system, for ThreadSanitizer.
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
#define SHARED real *const room = (real *)emulated::shared.data()

namespace emulated {
struct Index {
    unsigned x;
};
struct Warp {
    unsigned long long numbers[2][32];
};
static std::vector<unsigned char> shared;
static std::vector<Warp> warps;
static Index grid;
}  // namespace emulated
#define gridDim emulated::grid

#ifdef EMULATED_THREADS
#include <pthread.h>

#include <thread>

namespace emulated {
static thread_local Index thread, block;
static thread_local unsigned shuffles;
static unsigned &shuffles_so_far() { return shuffles; }
static pthread_barrier_t all;
static std::vector<pthread_barrier_t> in_warp;
static void barrier() { pthread_barrier_wait(&all); }
static void warp_barrier() { pthread_barrier_wait(&in_warp[thread.x / 32]); }
static void run(int blocks, int threads, int, const std::function<void()> &kernel) {
    in_warp.resize(threads / 32);
    pthread_barrier_init(&all, 0, threads);
    for (auto &one : in_warp) pthread_barrier_init(&one, 0, 32);
    std::vector<std::thread> running;
    for (int t = 0; t < threads; t++)
        running.emplace_back([=] {
            thread.x = t, shuffles = 0;
            for (int b = 0; b < blocks; b++) {
                block.x = b;
                barrier();
                if (t == 0) memset(shared.data(), 0xff, shared.size());
                barrier();
                kernel();
            }
        });
    for (auto &one : running) one.join();
}
}  // namespace emulated
#else
#include <ucontext.h>

namespace emulated {
enum Waits { NOT, BLOCK, WARP, DONE };
struct Fiber {
    ucontext_t context;
    std::vector<char> stack;
    Waits waits;
    unsigned shuffles;
};
static Index thread, block;
static std::vector<Fiber> fibers;
static ucontext_t scheduler;
static const std::function<void()> *body;
static unsigned &shuffles_so_far() { return fibers[thread.x].shuffles; }
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
static void run(int blocks, int threads, int order, const std::function<void()> &kernel) {
    body = &kernel;
    fibers.resize(threads);
    for (block.x = 0; (int)block.x < blocks; block.x++) {
        memset(shared.data(), 0xff, shared.size());  // NaN
        for (auto &fiber : fibers) {
            fiber.stack.resize(1 << 17), fiber.waits = NOT, fiber.shuffles = 0;
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.data(), fiber.context.uc_stack.ss_size = fiber.stack.size();
            makecontext(&fiber.context, start, 0);
        }
        while (count(0, threads, DONE) < threads) {
            for (int n = 0; n < threads; n++) {
                thread.x = order ? threads - 1 - n : n;
                if (fibers[thread.x].waits == NOT) swapcontext(&scheduler, &fibers[thread.x].context);
            }
            bool on = false;
            for (int first = 0; first < threads; first += 32)
                if (count(first, 32, WARP) == 32) {
                    for (int t = first; t < first + 32; t++) fibers[t].waits = NOT;
                    on = true;
                }
            if (!on && count(0, threads, BLOCK) == threads) {
                for (auto &fiber : fibers) fiber.waits = NOT;
                on = true;
            }
            if (!on && count(0, threads, DONE) < threads) {
                fprintf(stderr, "threads of a block wait for each other: %d at a barrier, %d within a warp, %d done\n",
                        count(0, threads, BLOCK), count(0, threads, WARP), count(0, threads, DONE));
                abort();
            }
        }
    }
}
}  // namespace emulated
#endif
#define threadIdx emulated::thread
#define blockIdx emulated::block

static void __syncthreads() { emulated::barrier(); }
static void __syncwarp() { emulated::warp_barrier(); }

template <class Number> static Number of_lane(Number x, int lane) {
    using namespace emulated;
    const unsigned turn = shuffles_so_far()++ % 2;
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

#define EMULATED_KERNELS                                                                                              \
    extern "C" void emulated_launch(const char *name, int blocks, int bytes, int order, const void *given) {          \
        const Args &a = *(const Args *)given;                                                                         \
        emulated::shared.assign(bytes + 64, 0);                                                                       \
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
