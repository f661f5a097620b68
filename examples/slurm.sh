#!/bin/bash
# An example: a sweep on a Ray cluster of two Slurm nodes. Submit it from the project's folder, on a shared file system
# and after `make setup`, `.venv/bin/pip install -r requirements-ray.txt` and `dvc repro convert`: sbatch examples/slurm.sh
#SBATCH --job-name=bmn-tune
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=12:00:00
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
export PATH="$PWD/.venv/bin:$PATH"
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address="$head:6379"

srun --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --port=6379 --num-cpus="$SLURM_CPUS_PER_TASK" --block &
until ray status --address "$address" > /dev/null 2>&1; do sleep 1; done
srun --nodes=$((SLURM_NNODES - 1)) --ntasks=$((SLURM_NNODES - 1)) --exclude="$head" \
    ray start --address "$address" --num-cpus="$SLURM_CPUS_PER_TASK" --block &

bmn set execution.engine=ray execution.address="$address" execution.cpus=4
bmn tune run  # submit the script again to resume
