#!/usr/bin/env bash
# Temporary: the first run on a GPU, about 4 minutes. Not to be landed.
export MEMNETS_CACHE=/tmp/memnets-cache PYTHONPATH=$PWD:$PWD/tasks OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
mkdir -p -m 700 $MEMNETS_CACHE
OUT=${OUT:-/tmp/out}; mkdir -p $OUT
nvidia-smi --query-gpu=name,clocks.sm,clocks.max.sm,driver_version --format=csv,noheader
python -c "
import torch, memnets, time
began = time.time()
m = memnets.NTM(9, 100, backend='auto').cuda()
print(m.backend_report()['fused'], round(time.time() - began, 1), 's')
from memnets.kernels.cuda import device, nvrtc
print(nvrtc.version(), nvrtc.library()._name, device.architecture(0), device.shared_bytes(0))
x = torch.randn(2, 5, 9, device='cuda')
m(x)[0].sum().backward(); torch.cuda.synchronize(); print('ran')
" 2>&1 | tail -15
began=$(date +%s)
timeout 150 python -m pytest -n 12 --dist load -q --tb=short -p no:cacheprovider tests/kernels/test_cuda.py > $OUT/tests.txt 2>&1
grep -E "^E  |^FAILED|^ERROR|passed|failed" $OUT/tests.txt | cut -c1-220 | sort | uniq -c | sort -rn | head -50
echo "tests took $(($(date +%s) - began)) s"
began=$(date +%s)
timeout 75 python gpu_profile.py ntm-lstm,dnc,stack 512,256,1024 1,64 detail 2>&1 | cut -c1-260 | tee $OUT/profile.txt
echo "profile took $(($(date +%s) - began)) s"
began=$(date +%s)
timeout 130 python benchmarks/timing/gpu_step_time.py --memories --json $OUT/memories.json 2>&1 | tail -90
echo "memories took $(($(date +%s) - began)) s"
began=$(date +%s)
MEMNETS_CUDA=triton timeout 45 python - <<'P' 2>&1 | tail -12
import sys; sys.path.insert(0, "benchmarks/timing")
import gpu_step_time as g
for batch in (1, 16, 64):
    row = g.measure({"batch": batch, "steps": 41, "dtype": "float32"}, ["fused"], 0.2)
    print("triton", batch, {k: {n: round(v["ms"], 3) for n, v in row[k].items()} for k in ("train", "inference")}, flush=True)
P
echo "triton took $(($(date +%s) - began)) s"
