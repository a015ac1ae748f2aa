"""Temporary: where the time of a training step goes on the GPU. Not to be landed."""
import sys, time
sys.path.insert(0, "benchmarks/timing")
import step_time, torch
from torch.profiler import ProfilerActivity, profile
from memnets.kernels.cuda import source

def kernels(name, batch, steps=41, train=True):
    run = step_time.step("fused" if name != "nn.LSTM" else name, {"batch": batch, "steps": steps, "memory": name, "heads": 1, "slots": 128}, train, device="cuda", dtype=torch.float32)
    for _ in range(3): run()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as p:
        for _ in range(5): run()
        torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(20): run()
    torch.cuda.synchronize()
    wall = (time.perf_counter() - began) / 20
    found = {}
    for e in p.events():
        if str(e.device_type).endswith("CUDA"):
            n, t = found.get(e.name, (0, 0.0)); found[e.name] = n + 1, t + e.device_time
    rows = sorted(found.items(), key=lambda kv: -kv[1][1])
    total = sum(t for _, (_, t) in rows) / 5
    ours = {k: round(t / 5, 1) for k, (n, t) in rows if k.startswith("memnets_")}
    print(f"{name:<14} B={batch:<4} wall {1e6*wall:8.0f} us, device {total:8.0f} us, {sum(n for _, (n, _) in rows)/5:.0f} kernels; {ours}", flush=True)
    return rows

def detail(rows):
    for k, (n, t) in rows[:14]: print(f"      {t/5:9.1f} us  {n/5:5.1f}x  {k[:90]}")

if __name__ == "__main__":
    names = sys.argv[1].split(",")
    for threads in (int(x) for x in sys.argv[2].split(",")):
        source.THREADS_NOW = threads
        print("threads", threads)
        for name in names:
            for batch in (int(x) for x in sys.argv[3].split(",")):
                rows = kernels(name, batch)
                if len(sys.argv) > 4 and batch == 64: detail(rows)
