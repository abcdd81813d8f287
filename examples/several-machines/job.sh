#!/bin/sh
#SBATCH --ntasks=2
#SBATCH --open-mode=append

# Torch needs these; JAX uses SLURM's own variables.
export MASTER_ADDR="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
export MASTER_PORT="$((20000 + SLURM_JOB_ID % 10000))"

srun python train.py "$1"
status=$?
# Ended by SIGTERM. SLURM counts that as a failure: ask to be queued again.
if [ $status -eq 143 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit $status
