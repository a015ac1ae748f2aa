"""Peak memory of a training step over the grid of sizes: how far it raises the resident set, in MiB.

    python benchmarks/timing/peak_memory.py --json peak_memory.json

Each figure is from a process of its own (see step_time.py); other work on the machine does not change it.
"""

import argparse
import json
from datetime import date

import torch
from step_time import able, configurations, peak_memory, processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", help="also write the rows to this file")
    given = parser.parse_args()
    about = {"date": str(date.today()), "torch": torch.__version__, "processor": processor()}
    print(", ".join(about.values()))
    print("| batch | steps | heads | slots | fused, MiB | reference, MiB |\n|---|---|---|---|---|---|")
    rows = []
    for config in configurations(quick=False):
        if config["threads"] > 1:
            continue
        peaks = {name: peak_memory(name, config) for name in able(["fused", "reference"], config)}
        sizes = " | ".join(str(config[name]) for name in ("batch", "steps", "heads", "slots"))
        shown = " | ".join(f"{peaks[name]:,.0f}" if name in peaks else "" for name in ("fused", "reference"))
        print(f"| {sizes} | {shown} |", flush=True)
        rows.append({**config, "peak_mib": peaks})
        if given.json:
            with open(given.json, "w") as file:
                json.dump({**about, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
