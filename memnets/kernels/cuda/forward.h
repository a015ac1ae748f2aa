extern "C" __global__ void __launch_bounds__(THREADS) memnets_forward(const Args a) {
    SHARED;
    const int thread = threadIdx.x, b = blockIdx.x;
    const int length = a.lengths ? (int)a.lengths[b] : (int)a.steps;
    real *const mine = a.scratch + (i64)b * SCRATCH;
    COPY_MATRICES
    if (REC_SHARED)  /* numbers that no step has made go into products over all steps, where those of the inputs are 0 */
        for (int slot = 0; slot < 3; slot++)
            for (int e = thread; e < RECORD; e += THREADS) REC(slot)[e] = R(0.0);
    __syncthreads();
    forward_state_in(a, thread, b, REC(0), CUR(0));
    if (X_SHARED && length) fetch(thread, X(0), a.x + b * a.x_row, INPUTS);
    fetched();
    __syncthreads();
    for (int t = 0; t < length; t++) {
        if (REC_SHARED && a.keep && t)
            copy(thread, a.records + ((i64)(t - 1) * a.batch + b) * RECORD, REC(t - 1), RECORD);
        if (OUT_SHARED && t) copy(thread, a.out + (t - 1) * a.out_step + b * a.out_row, OUT(t - 1), OUTPUTS);
        if (X_SHARED && t + 1 < length) fetch(thread, X(t + 1), a.x + (t + 1) * a.x_step + b * a.x_row, INPUTS);
        forward_step(a, thread, room, mine, b, t, X(t), OUT(t), REC(t), REC(t + 1), CUR(t), CUR(t + 1), ROW(t), LOC(t));
        fetched();
        __syncthreads();
    }
    if (REC_SHARED && a.keep)
        for (int t = length ? length - 1 : 0; t <= length; t++)
            copy(thread, a.records + ((i64)t * a.batch + b) * RECORD, REC(t), RECORD);
    if (OUT_SHARED && length)
        copy(thread, a.out + (length - 1) * a.out_step + b * a.out_row, OUT(length - 1), OUTPUTS);
    forward_state_out(a, thread, b, REC(length), CUR(length));
}
