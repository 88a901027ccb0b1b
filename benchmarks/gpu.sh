#!/bin/sh
# Training on a GPU: versions, the tests marked `gpu`, and benchmarks/training.py on CPU and CUDA.
#
#   sh benchmarks/gpu.sh [RESULTS_FOLDER]
#
# Needs torch, numpy, scipy, pyarrow, safetensors and soundfile; no ray, no datasets. Writes a dated
# page and prints where. Without a GPU it says so and fails, rather than measuring a CPU twice.
set -eu
cd "$(dirname "$0")/.."
out=${1:-benchmarks/results}
mkdir -p "$out"
page="$out/$(date -u +%Y-%m-%d)-gpu.md"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" OMP_WAIT_POLICY=PASSIVE

python3 -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || {
  echo "torch sees no GPU here: nothing was measured" >&2; exit 1; }
{
  echo "# Training on a GPU, $(date -u +%Y-%m-%d)"
  echo
  echo '```'
  python3 -c 'import platform, torch
print("GPU", torch.cuda.get_device_name(0), "| torch", torch.__version__, "| Python", platform.python_version())'
  echo "+ python benchmarks/training.py 1000"
  python3 benchmarks/training.py 1000
  echo "+ python benchmarks/training.py 1000 cuda"
  python3 benchmarks/training.py 1000 cuda
  echo '```'
} > "$page"
if python3 -c 'import pytest' 2>/dev/null; then
  # No test marked gpu is no failure (pytest's exit code 5).
  python3 -m pytest -q -m gpu tests/training || [ $? -eq 5 ]
fi
echo "$page"
