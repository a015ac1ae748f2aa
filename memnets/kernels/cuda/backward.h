#define FETCH(t)                                                                                                       \
    if ((t) >= 0) {                                                                                                    \
        if (REC_SHARED) fetch(thread, REC(t), a.records + ((i64)(t)*a.batch + b) * RECORD, RECORD);                    \
        if (X_SHARED) fetch(thread, X(t), a.x + (t)*a.x_step + b * a.x_row, INPUTS);                                   \
        if (D_OUT_SHARED) fetch(thread, D_OUT(t), a.d_out + (t)*a.out_step + b * a.out_row, OUTPUTS);                  \
        if (BIG && SEG_SHARED) fetch(thread, SEG(t), a.big + ((i64)(t)*a.batch + b) * BIG, BIG);                       \
    }
#define FLUSH(t)                                                                                                       \
    {                                                                                                                  \
        if (D_REC_SHARED) copy(thread, a.d_records + ((i64)(t)*a.batch + b) * D_RECORD, D_REC(t), D_RECORD);           \
        if (HAS_DX && D_X_SHARED) copy(thread, a.d_x + ((i64)(t)*a.batch + b) * INPUTS, D_X(t), INPUTS);               \
    }

extern "C" __global__ void __launch_bounds__(THREADS) memnets_backward(const Args a) {
    SHARED;
    const int thread = threadIdx.x, b = blockIdx.x;
    const int length = a.lengths ? (int)a.lengths[b] : (int)a.steps;
    real *const mine = a.scratch + (i64)b * SCRATCH;
    COPY_MATRICES
    for (int e = thread; e < ACCUMULATORS; e += THREADS) D_PAR(0)[e] = R(0.0);
    backward_state_in(a, thread, b, D_CUR(length));
    if (REC_SHARED && length) fetch(thread, REC(length), a.records + ((i64)length * a.batch + b) * RECORD, RECORD);
    FETCH(length - 1)
    fetched();
    __syncthreads();
    for (int t = length - 1; t >= 0; t--) {
        if (t + 1 < length) FLUSH(t + 1)
        FETCH(t - 1)
        backward_step(a, thread, room, mine, b, t, X(t), D_OUT(t), D_X(t), REC(t), REC(t + 1), SEG(t), D_REC(t),
                      D_CUR(t + 1), D_CUR(t), ROW(t), LOC(t), D_PAR(t));
        fetched();
        __syncthreads();
    }
    if (length) FLUSH(0)
    backward_state_out(a, thread, b, D_CUR(0));
    copy(thread, a.sums + (i64)b * ACCUMULATORS, D_PAR(0), ACCUMULATORS);
}
#undef FETCH
#undef FLUSH
