#!/bin/sh
# The main job, from a text file to a judged model, with no model hub and no root.
# Every line that begins with '+' is a command you could have typed. Run it again: nothing is
# done twice.
set -eu

say() { printf '\n+ %s\n' "$*" >&2; "$@"; }

say mosdata build --transcripts examples/transcripts.txt --split 6:2:2
say mosdata corrupt --level 0.15:0.9:0.15
say mosdata label --metrics dnsmos.p808
say mosdata train moe --target dnsmos.p808
say mosdata evaluate

printf '\nRun it again and nothing is done twice. To begin anew: make clean\n' >&2
