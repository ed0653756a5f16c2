#!/usr/bin/env bash
# All tables of a GPU, about ten minutes: bash benchmarks/gpu.sh [device] [folder for the results]
# Runs with "cpu" too, at a small size, to see that it works. PEAK_TFLOPS, what the device can do in the
# precision in question by its data sheet, fills the column "share".
set -euo pipefail
device=${1:-cuda}
out=${2:-build/gpu}
python=${PYTHON:-python}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
size=(--size published --graphs 8 --repeat 5)
loader=(--entries 400 --workers 0 4 12)
encoders=(hemenet gearnet gvp schnet egnn gat dymean)
modes=(fp32 bf16-mixed compiled "compiled bf16-mixed" recomputed)
protein=residues
most=50000
if [ "$device" = cpu ]; then
  size=(--size comparable --graphs 1 --repeat 1)
  loader=(--entries 20 --workers 0)
  encoders=(hemenet)
  modes=(fp32 bf16-mixed recomputed)
  most=500
fi
"$python" "$here/bench_device.py" --device "$device" "${size[@]}" "${loader[@]}" --only "${encoders[@]}" \
  --modes "${modes[@]}" --peak-tflops "${PEAK_TFLOPS:-0}" | tee "$out/device.md"
"$python" "$here/bench_encoders.py" --device "$device" --only "${encoders[@]}" --sizes published \
  --proteins $protein | tee "$out/encoders.md"
"$python" "$here/bench_scaling.py" --device "$device" --only atoms complexes --most $most --no-record | tee "$out/scaling.md"
